"""What the master decides: one pure machine, its effects, timers and settings."""

from typing import Final

INTERFACE: Final = ("effects", "key_changes", "settings", "step", "store_identity", "timers")
"""What other rooms may use of this one."""
