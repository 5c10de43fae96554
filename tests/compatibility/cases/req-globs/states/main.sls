web-a: {test.succeed_with_changes: []}
web-b: {test.nop: []}
c:
  test.nop: [{require: [{test: 'web-*'}]}]
d:
  cmd.wait: [{name: echo d}, {watch: [{test: 'web-[ab]'}]}]
e:
  test.nop: [{require: [{'*': web-a}]}]
