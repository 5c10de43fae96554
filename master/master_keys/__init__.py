"""Keys of the master that are prepared ahead, told to the minions, and taken into use."""
