include: [s1]
z: {test.nop: []}
