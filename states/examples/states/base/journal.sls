# The journal survives a restart of the host, and never fills its disk.
{%- from 'host.jinja' import root, manages_system with context %}

base_journal:
  file.managed:
    - name: {{ root }}/etc/systemd/journald.conf.d/10-size.conf
    - mode: '0644'
    - makedirs: True
    - contents: |
        [Journal]
        Storage=persistent
        SystemMaxUse={{ pillar.get('journal_size', '500M') }}

{%- if manages_system %}

systemd-journald:
  service.running:
    - watch:
      - file: base_journal
{%- endif %}
