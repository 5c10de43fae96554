a: {test.succeed_with_changes: []}
b:
  test.succeed_with_changes: [{onchanges: [{test: a}]}]
c:
  test.succeed_with_changes: [{onchanges: [{test: b}]}]
n: {test.nop: []}
d:
  test.succeed_with_changes: [{onchanges: [{test: n}]}]
e:
  test.nop: [{require: [{test: d}]}, {onchanges: [{test: d}]}]
f:
  cmd.run: [{name: echo f}, {watch: [{test: d}]}]
skipped:
  cmd.run: [{name: echo skip}, {unless: 'true'}]
g:
  test.nop: [{require: [{cmd: skipped}]}]
h:
  cmd.run: [{name: echo h}, {onchanges: [{cmd: skipped}]}]
i:
  cmd.wait: [{name: echo i}, {watch: [{cmd: skipped}]}]
