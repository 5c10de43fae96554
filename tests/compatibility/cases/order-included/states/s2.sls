p: {test.nop: []}
q: {test.nop: [{order: last}]}
