id7: {test.nop: []}
