id1: {test.nop: []}
