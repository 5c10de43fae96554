a:
  file.comment: [{name: '@TMP@/a'}, {regex: '^two'}, {char: ';'}, {backup: False}]
b:
  file.comment: [{name: '@TMP@/b'}, {regex: 'two$'}, {backup: False}]
c:
  file.comment: [{name: '@TMP@/c'}, {regex: 'zzz'}, {ignore_missing: True}, {backup: False}]
d:
  file.uncomment: [{name: '@TMP@/d'}, {regex: 'two'}, {backup: False}]
e:
  file.uncomment: [{name: '@TMP@/e'}, {regex: 'one'}, {char: '//'}, {backup: False}]
f:
  file.uncomment: [{name: '@TMP@/f'}, {regex: 'zzz'}, {backup: False}]
h:
  file.comment: [{name: rel}, {regex: x}]
i:
  file.uncomment: [{name: '@TMP@/i'}, {regex: '^one$'}, {backup: False}]
