a:
  test.fail_without_changes: [{prereq: [{test: b}]}]
b: {test.succeed_with_changes: []}
c:
  test.nop: [{prereq: [{test: d}]}]
d: {test.fail_with_changes: []}
e:
  test.nop: [{prereq: [{test: f}, {test: g}]}]
f: {test.succeed_without_changes: []}
g: {test.succeed_with_changes: []}
h:
  test.nop: [{prereq_any: [{test: f}, {test: g}]}]
