id6: {test.nop: []}
