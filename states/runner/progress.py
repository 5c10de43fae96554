"""Who follows a run: told before a state begins and when its result is there.

A journal that notes each line, and a view that shows them, hang on here.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from limpet.states.library.context import Chunk


class Progress(Protocol):
    """Follows a run. Must not raise, and must not keep the run waiting for long."""

    def planned(self, chunks: Sequence[Chunk]) -> None:
        """Take note of states that are to be run, in this order; later once more of what listens.

        Only some of them may be run: those that the others need.
        """
        ...

    def begins(self, tag: str, chunk: Chunk) -> None:
        """Take note that a state is about to be run."""
        ...

    def ended(self, tag: str, result: Mapping[str, Any]) -> None:
        """Take note of the result of a state, also of one that was not run."""
        ...


class Nobody:
    """Follows nothing."""

    def planned(self, chunks: Sequence[Chunk]) -> None:
        """Do nothing."""

    def begins(self, tag: str, chunk: Chunk) -> None:
        """Do nothing."""

    def ended(self, tag: str, result: Mapping[str, Any]) -> None:
        """Do nothing."""
