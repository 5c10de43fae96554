"""One made-up minion of the swarm: the production core, and made-up surroundings."""
