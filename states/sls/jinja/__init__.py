"""Jinja with Salt's extensions: tags, filters, tests, globals, and how errors are told."""
