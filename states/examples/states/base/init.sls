# What every host of ours has, whatever it does.
include:
  - .welcome
  - .clock
  - .journal
{%- if pillar.get('manage_system', True) %}
  - .packages
{%- endif %}
