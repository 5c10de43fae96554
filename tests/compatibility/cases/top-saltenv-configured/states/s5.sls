id5: {test.nop: []}
