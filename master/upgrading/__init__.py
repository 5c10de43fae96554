"""Packages that minions are upgraded to: handed over by a person, kept on the master's disk."""
