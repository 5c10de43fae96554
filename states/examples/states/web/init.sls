# A web server, its sites as the pillar names them.
include:
  - .config
  - .sites
{%- if pillar.get('manage_system', True) %}
  - .service
{%- endif %}
