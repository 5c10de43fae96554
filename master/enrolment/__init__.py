"""Which minions are trusted: decisions on keys and tokens."""
