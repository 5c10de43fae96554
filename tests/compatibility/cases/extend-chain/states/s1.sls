include: [s2]
extend:
  x:
    test: [{v: s1}, {w: s1}]
