"""Files, a child and a thread for the keys of the master."""
