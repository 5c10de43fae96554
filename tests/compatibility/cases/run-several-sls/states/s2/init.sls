y: {test.nop: []}
