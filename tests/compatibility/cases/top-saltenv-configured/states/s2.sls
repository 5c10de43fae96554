id2: {test.nop: []}
