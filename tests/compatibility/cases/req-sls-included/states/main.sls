include: [s1, s2]
a:
  test.nop: [{require: [{sls: s1}]}]
b:
  cmd.run: [{name: echo b}, {onchanges: [{sls: s2}]}]
c:
  test.nop: [{watch: [{sls: s1}, {sls: s2}]}]
