"""The machine that connects, greets, syncs, beats, and comes back after every loss."""

from typing import Final

INTERFACE: Final = ("greeting", "master_clock", "states", "transitions")
"""What other rooms may use of this one."""
