id4: {test.nop: []}
