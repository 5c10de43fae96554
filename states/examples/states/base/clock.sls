# One time zone for all hosts, by the two files that say so on any Debian.
{%- from 'host.jinja' import root with context %}
{%- set timezone = pillar.get('timezone', 'Etc/UTC') %}

base_localtime:
  file.symlink:
    - name: {{ root }}/etc/localtime
    - target: /usr/share/zoneinfo/{{ timezone }}
    - force: True
    - makedirs: True

base_timezone:
  file.managed:
    - name: {{ root }}/etc/timezone
    - contents: {{ timezone }}
    - mode: '0644'
    - require:
      - file: base_localtime
