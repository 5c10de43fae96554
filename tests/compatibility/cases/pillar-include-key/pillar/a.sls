include:
  - b:
      defaults: {who: me, n: 2}
      key: sub:deep
  - c
own: 1
c: mine
