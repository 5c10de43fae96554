"""Bringing a minion up on its host: what `limpet minion setup` does, and what `doctor` looks at."""
