"""Who follows a run: told before a state begins and when its result is there.

A journal that notes each line, and a view that shows them, hang on here.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from limpet.states.library.context import Chunk, tag_of
from limpet.states.runner.journal import Writer


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


@dataclass(frozen=True, slots=True)
class Several:
    """Tells several followers, one after another."""

    followers: Sequence[Progress]

    def planned(self, chunks: Sequence[Chunk]) -> None:
        """Tell all."""
        for each in self.followers:
            each.planned(chunks)

    def begins(self, tag: str, chunk: Chunk) -> None:
        """Tell all."""
        for each in self.followers:
            each.begins(tag, chunk)

    def ended(self, tag: str, result: Mapping[str, Any]) -> None:
        """Tell all."""
        for each in self.followers:
            each.ended(tag, result)


@dataclass(frozen=True, slots=True)
class Journaling:
    """Writes everything down, with what is secret masked."""

    writer: Writer
    mask: Callable[[Any], Any]

    def planned(self, chunks: Sequence[Chunk]) -> None:
        """Write it down."""
        tags = {tag_of(chunk): str(chunk.get("__sls__", "")) for chunk in chunks}
        self.writer.planned([(self.mask(tag), sls) for tag, sls in tags.items()])

    def begins(self, tag: str, chunk: Chunk) -> None:
        """Write it down, before the state does anything."""
        self.writer.began(self.mask(tag), time.time())

    def ended(self, tag: str, result: Mapping[str, Any]) -> None:
        """Write it down."""
        self.writer.ended(self.mask(tag), self.mask(result))
