b:
  test.nop: [{retry: {attempts: 3, until: False, interval: 0}}]
c:
  cmd.run: [{name: 'echo x >> @TMP@/n; test $(wc -l < @TMP@/n) -ge 3'}, {retry: {attempts: 5, interval: 0, splay: 0}}]
d:
  test.fail_without_changes: [{retry: {attempts: 2, interval: 0}}]
e:
  test.nop: [{retry: 3}]
