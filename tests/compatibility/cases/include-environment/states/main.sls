include:
  - dev: d1
a: {test.nop: []}
