stop:
  cmd.run: [{name: echo stop}, {prereq: [{file: '@TMP@/f'}]}]
@TMP@/f:
  file.managed: [{contents: x}]
before:
  test.nop: [{prereq: [{cmd: stop}]}]
other:
  test.nop: [{require: [{cmd: stop}]}]
