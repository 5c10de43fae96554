"""The master's process: everything by which its decisions touch the world, from start to end."""
