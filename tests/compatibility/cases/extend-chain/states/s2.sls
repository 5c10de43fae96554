x: {test.nop: [{v: s2}]}
