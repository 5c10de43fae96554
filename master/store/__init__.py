"""The master's memory on disk: SQLite, one writer, one fsync for many."""

from typing import Final

INTERFACE: Final = ("operations", "schema")
"""What other rooms may use of this one."""
