"""The master's keys on the disk, and the thread that writes them."""
