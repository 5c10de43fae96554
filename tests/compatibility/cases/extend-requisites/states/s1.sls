x: {test.nop: [{comment: old}, {require: [{test: y}]}]}
y: {test.nop: []}
"@TMP@/f":
  file.managed: [{contents: x}, {mode: "0644"}]
