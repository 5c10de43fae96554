"""Finding and reading a tree for lint, with the place of everything in it."""
