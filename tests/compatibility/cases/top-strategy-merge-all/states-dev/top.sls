dev:
  '*': [d1]
base:
  '*': [s3]
