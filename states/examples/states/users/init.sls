# People: their accounts, the keys with which they come in, and who may become root.
{%- from 'host.jinja' import root, manages_system with context %}

{%- for name, user in pillar.get('users', {}).items() %}
{%- set home = root ~ user.get('home', '/home/' ~ name) %}
{%- if user.get('absent') %}

# An account that is gone leaves no door open: keys and rights go first.
users_{{ name }}_keys:
  file.absent:
    - name: {{ home }}/.ssh/authorized_keys

users_{{ name }}_sudo:
  file.absent:
    - name: {{ root }}/etc/sudoers.d/{{ name }}
{%- if manages_system %}

users_{{ name }}:
  user.absent:
    - name: {{ name }}
    - require:
      - file: users_{{ name }}_keys
      - file: users_{{ name }}_sudo
{%- endif %}
{%- else %}
{%- if manages_system %}

users_{{ name }}:
  user.present:
    - name: {{ name }}
    - fullname: {{ user.get('fullname', '') | yaml_dquote }}
    - shell: {{ user.get('shell', '/bin/bash') }}
    - home: {{ home }}
    - groups: {{ user.get('groups', []) | tojson }}
    - remove_groups: False
    - require_in:
      - file: users_{{ name }}_ssh
{%- endif %}

users_{{ name }}_ssh:
  file.directory:
    - name: {{ home }}/.ssh
    - mode: '0700'
    - makedirs: True
    {%- if manages_system %}
    - user: {{ name }}
    {%- endif %}

users_{{ name }}_keys:
  file.managed:
    - name: {{ home }}/.ssh/authorized_keys
    - source: salt://users/files/authorized_keys.jinja
    - template: jinja
    - mode: '0600'
    {%- if manages_system %}
    - user: {{ name }}
    {%- endif %}
    - context:
        keys: {{ user.get('keys', []) | tojson }}
    - require:
      - file: users_{{ name }}_ssh

users_{{ name }}_sudo:
{%- if user.get('sudo') %}
  file.managed:
    - name: {{ root }}/etc/sudoers.d/{{ name }}
    - contents: '{{ name }} ALL=(ALL) ALL'
    - mode: '0440'
    - makedirs: True
    {%- if manages_system %}
    - check_cmd: visudo -c -f
    {%- endif %}
{%- else %}
  file.absent:
    - name: {{ root }}/etc/sudoers.d/{{ name }}
{%- endif %}
{%- endif %}
{%- endfor %}
