"""Pillar: which files a minion gets, how they are merged, how values are looked up.

The renderer, the grains and the roots are handed in; nothing here reads the disk.
"""
