"""Threads that read files of the roots for minions: disks may be slow."""
