include: [d2]
d1: {test.nop: []}
