l: [a, b]
deep: {er: value}
