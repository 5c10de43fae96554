include: [s2]
x: {test.nop: []}
y: {test.nop: []}
