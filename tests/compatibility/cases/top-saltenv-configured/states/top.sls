base:
  '*': [s1]
