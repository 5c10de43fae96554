"""Bringing a master up on its host: what `limpet master setup` does, and what `doctor` looks at."""
