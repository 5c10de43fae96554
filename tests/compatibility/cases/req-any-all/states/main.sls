ok: {test.succeed_with_changes: []}
bad: {test.fail_without_changes: []}
same: {test.succeed_without_changes: []}
a:
  test.nop: [{require_any: [{test: ok}, {test: bad}]}]
b:
  test.nop: [{require_any: [{test: bad}]}]
c:
  test.nop: [{onchanges_any: [{test: ok}, {test: same}]}]
d:
  test.nop: [{onchanges_any: [{test: same}]}]
e:
  test.nop: [{onfail_any: [{test: ok}, {test: bad}]}]
f:
  test.nop: [{onfail_all: [{test: ok}, {test: bad}]}]
g:
  test.nop: [{onfail: [{test: ok}, {test: bad}]}]
h:
  test.nop: [{watch_any: [{test: same}, {test: bad}]}]
i:
  test.nop: [{onchanges: [{test: bad}]}]
j:
  test.nop: [{onfail: [{test: same}]}]
k:
  test.nop: [{require: [{test: j}]}]
l:
  test.nop: [{require: [{test: d}]}]
m:
  test.nop: [{onfail: [{test: b}]}]
n:
  test.nop: [{onfail: [{test: bad}]}, {require: [{test: ok}]}]
o:
  test.nop: [{onfail: [{test: bad}]}, {require: [{test: b}]}]
p:
  test.nop: [{onfail: [{test: bad}]}, {onfail_stop: False}]
q:
  test.nop: [{require: [{test: bad}]}, {onchanges: [{test: ok}]}]
