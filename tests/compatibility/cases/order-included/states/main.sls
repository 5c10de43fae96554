include: [s1]
a: {test.nop: []}
b: {test.nop: [{order: 2}]}
extend:
  x:
    test:
      - order: 1
