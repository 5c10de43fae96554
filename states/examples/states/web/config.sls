# The server's own configuration, the key of its certificate, and the check for sites.
{%- from 'web/map.jinja' import web with context %}
{%- from 'host.jinja' import root with context %}

web_config:
  file.managed:
    - name: {{ web.etc }}/nginx.conf
    - source: salt://web/files/nginx.conf.jinja
    - template: jinja
    - mode: '0644'
    - makedirs: True
    - context:
        web: {{ web | tojson }}
        workers: {{ salt['pillar.get']('web:workers', 'auto') }}

web_key:
  file.managed:
    - name: {{ web.etc }}/tls/site.key
    - contents_pillar: web:tls:key
    - mode: '0600'
    - makedirs: True
    - dir_mode: '0700'

web_check:
  file.managed:
    - name: {{ root }}/usr/local/lib/limpet-example/check-site
    - source: salt://web/files/check-site
    - mode: '0755'
    - makedirs: True

# Log files go here, and nothing else makes it where there is no package.
web_log:
  file.directory:
    - name: {{ web.log }}
    - mode: '0755'
    - makedirs: True
