include: [s1]
extend:
  x:
    test:
      - comment: new
      - require: [{test: a}]
  y:
    test.nop:
      - extra: 1
  '@TMP@/f':
    file:
      - mode: '0600'
      - watch_in: [{test: a}]
a: {test.nop: []}
