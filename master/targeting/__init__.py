"""Finding whom a target means among all accepted minions, by indexes, a bounded part at a time."""

from typing import Final

INTERFACE: Final = ("grains", "index", "resolution")
"""What other rooms may use of this one."""
