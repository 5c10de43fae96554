"""Finding what is wrong or odd in a tree of states, without a master and without running anything.

`lint.py` goes through the tree; each other file looks for one kind of mistake, and names its
rules in `findings.RULES`.
"""
