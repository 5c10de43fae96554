{% load_yaml as y %}
a: &x [1, 2]
b: {c: *x}
{% endload %}{% load_json as j %}{"q": [true, null]}{% endload %}{% load_text as t %} some
text{% endload %}{% import_yaml 'd/y.yaml' as iy %}{% import_json 'd/j.json' as ij %}{% import_text 'd/t.txt' as it %}{% set s = '{a: 1}'|load_yaml %}{% set sj = '[1]'|load_json %}
z:
  test.nop:
    - v: {{ [y, j, t, iy, ij, it, s, sj]|json }}
