a:
  file.keyvalue: [{name: '@TMP@/a'}, {key: zz}, {value: x}, {search_only: True}]
b:
  file.keyvalue: [{name: '@TMP@/b'}, {key_values: {zz: x, one: 2}}, {search_only: True}]
c:
  file.keyvalue: [{name: '@TMP@/c'}, {key_values: {one: 2, q: 3}}, {prepend_if_not_found: True}, {append_if_not_found: True}]
e:
  file.keyvalue: [{name: '@TMP@/e'}, {key: one}, {value: x}, {count: 0}]
f:
  file.keyvalue: [{name: '@TMP@/f'}, {key: zz}, {value: 1}, {search_only: True}, {append_if_not_found: True}]
