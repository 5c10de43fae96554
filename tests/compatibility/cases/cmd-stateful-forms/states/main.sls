a:
  cmd.run: [{name: 'echo; echo "changed=yes comment=did a=b"'}, {stateful: True}]
b:
  cmd.run: [{name: 'echo "changed=no comment=nothing"'}, {stateful: True}]
c:
  cmd.run: [{name: 'echo "{\"changed\": true, \"comment\": \"js\", \"x\": 1}"'}, {stateful: True}]
d:
  cmd.run: [{name: 'echo not stateful'}, {stateful: True}]
e:
  cmd.run: [{name: 'exit 2'}, {stateful: True}]
f:
  cmd.run: [{name: 'echo "changed=yes"'}, {stateful: [{test_name: 'echo "changed=yes comment=dry"'}]}]
g:
  cmd.run: [{name: 'echo "changed=yes"'}, {stateful: {test_name: 'echo "changed=no comment=dry"'}}]
h:
  cmd.run: [{name: 'echo "changed=maybe comment=x"'}, {stateful: True}]
i:
  cmd.run: [{name: 'true'}, {stateful: True}]
