a:
  cmd.run: [{name: echo a}, {unless: ['false', 'true']}]
b:
  cmd.run: [{name: echo b}, {unless: ['true', 'true']}]
c:
  cmd.run: [{name: echo c}, {onlyif: ['true', 'false']}]
d:
  cmd.run: [{name: echo d}, {onlyif: test -f here}, {cwd: '@TMP@'}]
e:
  cmd.run: [{name: echo e}, {creates: ['@TMP@/here', '@TMP@/nothere']}]
f:
  cmd.run: [{name: echo f}, {creates: '@TMP@/here'}]
g:
  cmd.run: [{name: echo g}, {unless: test "$V" = 1}, {env: [{V: 1}]}]
j:
  cmd.run: [{name: echo j}, {onlyif: nosuchcmd}]
k:
  cmd.run: [{name: echo k}, {unless: nosuchcmd}]
l:
  cmd.run: [{name: echo l}, {onlyif: [{fun: file.file_exists, path: '@TMP@/here'}]}]
m:
  cmd.run: [{name: echo m}, {unless: [{fun: file.file_exists, args: ['@TMP@/here']}, 'false']}]
n:
  cmd.run: [{name: echo n}, {onlyif: [{fun: config.get, args: [nosuch]}]}]
o:
  cmd.run: [{name: echo o}, {unless: 'true'}, {onlyif: 'false'}]
p:
  cmd.run: [{name: echo p}, {onlyif: [{fun: nosuch.fun}]}]
q:
  cmd.run: [{name: echo q}, {onlyif: [{fun: test.echo, text: 'False', get_return: x}]}]
r:
  cmd.run: [{name: echo r}, {check_cmd: 'false'}]
s:
  cmd.run: [{name: exit 1}, {check_cmd: ['true']}]
t:
  cmd.run: [{name: echo t}, {check_cmd: ['true', 'false']}]
u:
  cmd.run: [{name: echo u}, {unless: null}]
v:
  cmd.run: [{name: echo v}, {creates: '@TMP@/nothere'}, {unless: 'true'}]
w:
  cmd.run: [{name: echo w}, {onlyif: 'test "$0" = /bin/sh'}, {shell: /bin/sh}]
x:
  cmd.run: [{name: echo x}, {onlyif: '[[ 1 -eq 1 ]]'}]
y:
  test.succeed_with_changes: [{check_cmd: 'exit 1'}]
z:
  test.fail_without_changes: [{check_cmd: 'exit 0'}]
