id3: {test.nop: []}
