"""Machines that are broken on purpose: how one is described, put in force, and undone."""

import contextlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from support.simulator.story import Kind

Change = tuple[Any, str, Any]
"""Whose attribute, its name, what it is instead."""


@dataclass(frozen=True)
class Variant:
    """One way of being broken."""

    name: str
    changes: Callable[[], list[Change]]
    within: int = 400
    """Seeds within which it is caught."""
    kind: Kind | None = None
    """The sort of stories in which it is looked for; None: all, as chance has it."""

    @contextlib.contextmanager
    def in_force(self) -> Iterator[None]:
        """Break the machines for as long as the context lasts."""
        kept: list[Change] = []
        try:
            for owner, name, value in self.changes():
                kept.append((owner, name, owner.__dict__[name]))
                setattr(owner, name, value)
            yield
        finally:
            for owner, name, value in reversed(kept):
                setattr(owner, name, value)


ALL: dict[str, Variant] = {}


def variant(
    within: int = 400, kind: Kind | None = None
) -> Callable[[Callable[[], list[Change]]], None]:
    """Register a variant under the name of the function that makes its changes."""

    def register(changes: Callable[[], list[Change]]) -> None:
        ALL[changes.__name__] = Variant(changes.__name__, changes, within, kind)

    return register


def nothing(*_arguments: object, **_named: object) -> None:
    """Do nothing, whatever is asked."""
