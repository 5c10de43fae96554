{% from 'web/map.jinja' import web with context %}
a:
  test.nop: [{m: {{ web|json }}}]
