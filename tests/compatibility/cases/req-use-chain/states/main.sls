base:
  file.managed:
    - name: @TMP@/base
    - contents: c
    - mode: '0600'
    - order: 5
    - require: [{test: t}]
t: {test.nop: []}
u:
  file.managed:
    - name: @TMP@/u
    - contents: own
    - use: [{file: base}]
v:
  file.managed:
    - name: @TMP@/v
    - use: [{file: base}]
w:
  test.nop:
    - use: [{file: base}, {test: x}]
x:
  test.nop: [{q: 1}, {use: [{test: y}]}]
y:
  test.nop: [{r: 2}]
z:
  test.nop: [{use: [{test: nosuch}]}]
