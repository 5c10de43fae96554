b: dev
x: dev
