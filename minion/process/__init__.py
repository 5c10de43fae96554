"""The minion's process: everything by which its decisions touch the world, from start to end."""
