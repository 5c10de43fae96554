include: [s1]
extend:
  x:
    test: [{v: main}]
