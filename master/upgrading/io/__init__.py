"""Packages on the master's disk, and the thread that keeps them."""
