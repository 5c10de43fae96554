chg: {test.succeed_with_changes: []}
same: {test.succeed_without_changes: []}
l1:
  cmd.wait: [{name: echo l1}, {listen: [{test: chg}]}]
l2:
  cmd.run: [{name: echo l2}, {listen: [{test: chg}, {test: same}]}]
l3:
  cmd.wait: [{name: echo l3}, {listen: [{test: same}]}]
l4:
  test.nop: [{listen: [{test: chg}]}]
src:
  test.succeed_with_changes: [{listen_in: [{cmd: l1}, {cmd: l5}]}]
l5:
  cmd.wait:
    - names: [echo n1, echo n2]
l6:
  module.wait: [{name: test.echo}, {text: x}, {listen: [{test: chg}]}]
l7:
  cmd.wait: [{name: echo l7}, {listen: [{test: nosuch}]}]
