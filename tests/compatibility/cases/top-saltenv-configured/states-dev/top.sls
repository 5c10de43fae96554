dev:
  '*': [d1]
