"""Bringing a minion up on its host: what `limpet minion setup` does, and what `doctor` looks at."""

from typing import Final

INTERFACE: Final = ("joining",)
"""What other rooms may use of this one."""
