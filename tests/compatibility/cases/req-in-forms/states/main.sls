a:
  test.nop:
    - require_in:
      - test: b
    - onchanges_in:
      - test: c
    - onfail_in: [test: c]
    - prereq_in: [test: d]
    - listen_in: [test: d]
    - use_in: [test: e]
    - comment: used
b: {test.nop: []}
c: {test.nop: []}
d: {test.nop: []}
e: {test.nop: [{x: 1}]}
