"""Running the command line in the process of a test."""

from collections.abc import Callable
from dataclasses import dataclass


@dataclass(frozen=True)
class Ran:
    """What a command line came to."""

    code: int
    out: str
    err: str


Limpet = Callable[..., Ran]
"""`limpet("run", "*", "test.ping")`."""
