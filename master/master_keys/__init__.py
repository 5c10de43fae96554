"""Keys of the master that are prepared ahead, told to the minions, and taken into use."""

from typing import Final

INTERFACE: Final = ("announcements", "rotation")
"""What other rooms may use of this one."""
