# How limpet treats the host itself. A file host.sls in an earlier pillar root replaces this one.
root: ''               # every path begins with it: '' is the host, a folder is a place to try things
manage_system: True    # False: files only, no packages, services and accounts

purpose: {{ 'a web server' if grains['id'].startswith('web') else 'a server' }}
contact: ops@example.org
timezone: Europe/Berlin
