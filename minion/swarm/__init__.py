"""`limpet swarm`: many minions in a few processes, for whoever wants to know what a master carries.

The link, the jobs and the sockets are those of the real minion; only what lies around them (disk,
workers, facts) is made up. Nothing of it is imported by a running minion.
"""
