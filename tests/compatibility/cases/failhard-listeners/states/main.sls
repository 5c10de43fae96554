chg: {test.succeed_with_changes: []}
w:
  cmd.wait: [{name: echo w}, {listen: [{test: chg}]}]
b: {test.fail_without_changes: [{failhard: True}]}
c:
  cmd.wait: [{name: echo c}, {listen: [{test: chg}]}]
ce:
  cmd.wait: [{name: echo ce}, {listen: [{test: b}]}]
