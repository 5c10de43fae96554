include: [.s, ..t, ...u, .sub]
r: {test.nop: []}
