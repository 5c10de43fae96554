base:
  '*': [s1, s2]
dev:
  '*': [s2]
