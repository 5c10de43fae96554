t: {test.nop: []}
