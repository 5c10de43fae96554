"""How the minion is, for people and for monitoring: counters, the status report, metrics."""
