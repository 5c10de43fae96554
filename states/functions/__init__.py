"""Execution functions: one file per Salt module, one function per Salt name.

Nothing is imported here: a process pays only for the modules that it asks the registry for.
"""
