u: {test.nop: []}
