devs2: {test.nop: []}
