"""State functions: one file (or folder) for each of Salt's state modules."""
