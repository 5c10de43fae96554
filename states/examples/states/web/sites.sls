# Sites: a configuration that is checked before it lies there, a page, and a link that enables it.
{%- from 'web/map.jinja' import web with context %}
{%- from 'host.jinja' import root with context %}

include:
  - .config

web_sites_enabled:
  file.directory:
    - name: {{ web.etc }}/sites-enabled
    - mode: '0755'
    - makedirs: True

{%- for name, site in salt['pillar.get']('web:sites', {}).items() %}

web_site_{{ name }}:
  file.managed:
    - name: {{ web.etc }}/sites-available/{{ name }}.conf
    - source: salt://web/files/site.conf.jinja
    - template: jinja
    - mode: '0644'
    - makedirs: True
    - context:
        name: {{ name }}
        site: {{ site | tojson }}
        web: {{ web | tojson }}
    - check_cmd: {{ root }}/usr/local/lib/limpet-example/check-site
    - require:
      - file: web_check

web_page_{{ name }}:
  file.managed:
    - name: {{ web.www }}/{{ name }}/index.html
    - source: salt://web/files/index.html.jinja
    - template: jinja
    - mode: '0644'
    - makedirs: True
    - context:
        title: {{ site.get('title', name) | yaml_dquote }}

web_link_{{ name }}:
{%- if site.get('enabled', True) %}
  file.symlink:
    - name: {{ web.etc }}/sites-enabled/{{ name }}.conf
    - target: {{ web.etc }}/sites-available/{{ name }}.conf
    - require:
      - file: web_sites_enabled
      - file: web_site_{{ name }}
{%- else %}
  file.absent:
    - name: {{ web.etc }}/sites-enabled/{{ name }}.conf
{%- endif %}
{%- endfor %}
