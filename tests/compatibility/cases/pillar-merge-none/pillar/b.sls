m: {y: 2, l: [2, 3], s: b, n: {e: 2}}
t: {now: map}
z: {q: 1}
