base:
  '*': [p.q.r]
