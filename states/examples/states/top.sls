# Which states a host gets: all of them the base and the users, web servers a web server.
base:
  '*':
    - base
    - users
  'web*':
    - web
