subx: {test.nop: []}
