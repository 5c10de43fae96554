"""Finding whom a target means among all accepted minions, by indexes, a bounded part at a time."""
