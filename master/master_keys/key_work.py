"""What the core has done with the key files, and what comes of it. Plain values."""

from dataclasses import dataclass
from typing import Literal

from limpet.master.master_keys.announced import Announced


@dataclass(frozen=True, slots=True)
class KeyWork:
    """fresh: other next keys. raise: a serial over `above`. switch: the first next one is used."""

    what: Literal["fresh", "raise", "switch"]
    above: int = 0


@dataclass(frozen=True, slots=True)
class KeysWritten:
    """It is on the disk; or the problem says why not."""

    work: KeyWork
    announced: Announced | None
    """What is to be told from now on; None after a switch: that is for the next process."""
    problem: str = ""
