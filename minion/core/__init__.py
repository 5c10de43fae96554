"""What the minion decides: one pure machine, its effects and settings."""

from typing import Final

INTERFACE: Final = ("effects", "machine", "notes", "outbox", "settings")
"""What other rooms may use of this one."""
