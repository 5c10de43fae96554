{% for n, kw in [('a', {'mode': 'insert', 'location': 'start', 'content': 'S'}), 
  ('d', {'mode': 'replace', 'match': 'nomatch', 'content': 'x'}),
 ('e', {'mode': 'delete', 'match': 't'}), ('f', {'mode': 'ensure', 'after': 'one', 'before': 'three', 'content': 'two'}),
 ('g', {'mode': 'ensure', 'after': 'one', 'content': 'X', 'indent': False}), ('h', {'mode': 'wrong', 'content': 'x'}), ('i', {'content': 'x'}),
 ('j', {'mode': 'insert', 'content': 'x'}), ('k', {'mode': 'delete'}), ('l', {'mode': 'ensure', 'content': 'zz'}), 
  ('o', {'mode': 'insert', 'location': 'end', 'content': 'E', 'quiet': True}),
 ] %}
{{ n }}:
  file.line:
    - name: @TMP@/{{ n }}
    {% for k, v in kw.items() %}
    - {{ k }}: {{ v | json }}
    {% endfor %}
{% endfor %}
none:
  file.line: [{name: '@TMP@/nofile'}, {mode: insert}, {location: end}, {content: x}]
