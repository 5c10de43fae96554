many:
  test.succeed_with_changes:
    - names: [n1, n2]
    - require_in: [{test: a}]
a:
  test.nop: [{onchanges: [{test: n1}]}]
b:
  test.nop:
    - names:
      - b1: [{require: [{test: a}]}, {comment: x}]
      - b2
      - b3: []
