include: [.x]
sub: {test.nop: []}
