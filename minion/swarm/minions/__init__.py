"""One made-up minion of the swarm: the production core, and a made-up environment."""
