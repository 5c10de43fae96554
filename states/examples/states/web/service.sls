# The package before the files, the service after them: it is reloaded when one has changed and
# the server itself finds nothing wrong.
{%- from 'web/map.jinja' import web with context %}

include:
  - .config
  - .sites

web_package:
  pkg.installed:
    - name: {{ web.package }}
    - require_in:
      - sls: web.config

web_valid:
  cmd.run:
    - name: nginx -t
    - onchanges:
      - sls: web.config
      - sls: web.sites

web_service:
  service.running:
    - name: {{ web.service }}
    - enable: True
    - reload: True
    - require:
      - cmd: web_valid
    - watch:
      - sls: web.config
      - sls: web.sites
