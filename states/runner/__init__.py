"""Running low chunks: what waits for what, whether a state runs, and what came of it.

`plan` and `requisites` are pure; `run` is the one that does.
"""
