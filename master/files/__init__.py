"""What minions ask for while their jobs run: files, listings; pillar has its own room."""

from typing import Final

INTERFACE: Final = ("answers", "body_cache", "io.digests", "io.roots", "reads", "round_robin")
"""What other rooms may use of this one."""
