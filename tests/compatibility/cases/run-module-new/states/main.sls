a:
  module.run:
    - test.arg: {q: z}
b:
  module.run:
    - test.arg: plain
c:
  module.run:
    - test.arg: [[1, 2], {a: 1, b: 2}, 3]
d:
  module.run:
    - test.echo:
      - text: x
    - name: foo
e:
  module.run:
    - test.echo
f:
  module.run:
    - test.echo:
        text: x
    - require: [{module: a}]
    - unless: 'false'
g:
  module.run:
    - test.echo: [x, y]
h:
  module.run:
    - test.raise_exception:
      - name: ValueError
