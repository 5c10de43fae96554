"""Stand-ins for a host, its programs, a master or a minion."""
