"""Commands of the minion: `limpet minion` and `limpet call`."""
