"""File roots of the master, as a minion's jobs see them: asked for, cached by content, verified.

`roots.py` asks and remembers, `known.py` remembers from job to job, `listing.py` reads what the
master lists, `cache.py` holds the bodies and gives them their places, `partial.py` lets one come in
pieces, `pruning.py` keeps the whole small.
"""
