a: {test.nop: []}
b: {test.succeed_with_changes: []}
c: {test.fail_with_changes: []}
d: {test.fail_without_changes: []}
e:
  test.nop: [{require: [{test: d}]}]
f:
  cmd.run: [{name: echo f}, {onchanges: [{test: b}]}]
g:
  cmd.wait: [{name: echo g}, {watch: [{test: b}]}]
h:
  test.nop: [{onfail: [{test: c}]}]
i:
  cmd.run: [{name: echo i}, {creates: /}]
j:
  test.nop: [{prereq: [{test: b}]}]
k:
  cmd.run: [{name: 'touch @TMP@/never'}]
l:
  test.succeed_without_changes: [{require: [{test: c}]}]
