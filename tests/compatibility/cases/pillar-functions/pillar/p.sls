a: {b: {c: deep}}
l: [1, 2]
n: null
recs: [{name: x}, {name: y}]
