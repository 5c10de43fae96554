"""What the minion's journal holds, and the bytes that it is written in."""

from typing import Final

INTERFACE: Final = ("format", "records")
"""What other rooms may use of this one."""
