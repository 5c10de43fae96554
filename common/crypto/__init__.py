"""Keys, their files, fingerprints, join strings and the proof of a token."""
