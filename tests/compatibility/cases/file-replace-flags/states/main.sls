{% for n, kw in [('a', {'pattern': '(?P<x>on)e', 'repl': '\\1E'}), ('b', {'pattern': '^t.*$', 'repl': 'T', 'count': 1}), ('c', {'pattern': 'ONE', 'repl': 'x', 'flags': ['IGNORECASE']}),
 ('d', {'pattern': 'one.two', 'repl': 'x', 'flags': ['DOTALL']}), ('e', {'pattern': 'zzz', 'repl': 'x'}), ('f', {'pattern': '(', 'repl': 'x'}),
 ('g', {'pattern': 'zzz', 'repl': 'x', 'append_if_not_found': True, 'not_found_content': 'nf'}), ('h', {'pattern': 'zzz', 'repl': 'pre', 'prepend_if_not_found': True}),
 ('i', {'pattern': 'one', 'repl': 'x', 'show_changes': False}), ('l', {'pattern': 'one', 'repl': 'one'}), ('m', {'pattern': '\n', 'repl': ' '}), ('n', {'pattern': 'three$', 'repl': '3', 'flags': 8}), ('o', {'pattern': 'one', 'repl': '\\g<9>'}),
 ('p', {'pattern': 'one', 'repl': 'x', 'bufsize': 'file', 'backup': '.sav'}), ('q', {'pattern': 'one', 'repl': 'a\\1b', 'backslash_literal': True})] %}
{{ n }}:
  file.replace:
    - name: @TMP@/{{ n }}
    {% for k, v in kw.items() %}
    - {{ k }}: {{ v | json }}
    {% endfor %}
    {% if 'backup' not in kw %}
    - backup: False
    {% endif %}
{% endfor %}
none:
  file.replace: [{name: '@TMP@/nofile'}, {pattern: a}, {repl: b}]
none2:
  file.replace: [{name: '@TMP@/nofile'}, {pattern: a}, {repl: b}, {ignore_if_missing: True}]
