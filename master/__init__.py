"""The master: keeps jobs, knows the minions, answers the command line."""
