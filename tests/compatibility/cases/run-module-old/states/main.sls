d:
  module.run: [{name: test.arg}, {args: x}]
f:
  module.run: [{name: test.echo}]
h:
  module.run: [{name: file.write}, {path: '@TMP@/h'}, {args: ['l1', 'l2']}]
i:
  module.run: [{name: grains.get}, {key: os}, {default: x}]
j:
  module.run: [{name: test.arg_type}, {args: [1]}]
k:
  module.run: [{name: cmd.run}, {cmd: 'exit 3'}]
l:
  module.run: [{func: test.echo}, {text: x}, {name: test.echo}]
