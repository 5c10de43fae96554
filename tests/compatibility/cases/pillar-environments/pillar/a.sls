a: base
x: base
