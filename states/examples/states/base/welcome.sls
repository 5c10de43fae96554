# Who logs in reads where they are.
{%- from 'host.jinja' import root with context %}

base_motd:
  file.managed:
    - name: {{ root }}/etc/motd
    - source: salt://base/files/motd.jinja
    - template: jinja
    - mode: '0644'
    - makedirs: True
    - context:
        purpose: {{ pillar.get('purpose', 'a host of ours') | yaml_dquote }}
        contact: {{ pillar.get('contact', 'root') | yaml_dquote }}
