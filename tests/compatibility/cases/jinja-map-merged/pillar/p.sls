web: {lookup: {port: 81, opts: {b: 2}}}
