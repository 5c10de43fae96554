c: theirs
d: 1
