one:
  file.managed: [{name: '@TMP@/one'}, {contents: x}]
two:
  file.managed: [{name: '@TMP@/two'}, {contents: x}, {require: [{file: '@TMP@/one'}]}]
three:
  cmd.run: [{name: echo 3}, {require: [{file: two}]}]
same:
  cmd.run: [{name: echo 3}]
four:
  cmd.run: [{name: echo 4}, {require: [{cmd: echo 3}]}]
