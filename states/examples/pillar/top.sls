# Which host is told what. Only web servers ever see the key of the certificate.
base:
  '*':
    - host
    - users
  'web*':
    - sites
    - keys
