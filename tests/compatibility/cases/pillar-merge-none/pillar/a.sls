m: {x: 1, l: [1, 2], s: a, n: {d: 1}}
t: text
only_a: 1
z: null
