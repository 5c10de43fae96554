"""The language of SLS files: Salt's YAML, Jinja with Salt's extensions, renderers in a row.

Nothing here reads the disk by itself (files come through `fileroots`) or knows what a state is.
"""
