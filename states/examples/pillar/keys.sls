# Secret: `pillar_secret_keys: ['web:tls:key']` on the master keeps it out of diffs, logs and the
# history of jobs. This one is made up; a real one is better kept outside of the repository.
web:
  tls:
    key: |
      -----BEGIN PRIVATE KEY-----
      bm90IGEga2V5LCBqdXN0IGFuIGV4YW1wbGU=
      -----END PRIVATE KEY-----
