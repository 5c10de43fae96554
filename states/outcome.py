"""What a state function answers: how it ended, what it changed, what a person should read."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class Outcome:
    """The answer of one state, in the terms of Salt's result."""

    result: bool | None
    """True: as it should be. False: it failed. None: in test mode, it would change."""
    comment: str | list[str] = ""
    """A list is shown line by line."""
    changes: Mapping[str, Any] = field(default_factory=dict)
    """What was (in test mode: would be) changed, in Salt's shape for that state."""
    name: Any = None
    """Stands in the result instead of the chunk's name; None: the chunk's name."""
    warnings: tuple[str, ...] = ()
    is_skipping_watch: bool = False
    """What is watched does not trigger this state's `mod_watch`."""
    more: Mapping[str, Any] = field(default_factory=dict)
    """Further keys of the result that Salt's state gives as well (`pchanges`, `skip_req`)."""

    def data(self, name: object) -> dict[str, Any]:
        """Give Salt's mapping; `name` is the chunk's."""
        comment = self.comment
        found: dict[str, Any] = {
            "name": name if self.name is None else self.name,
            "changes": dict(self.changes),
            "result": self.result,
            "comment": comment if isinstance(comment, str) else "\n".join(comment),
        }
        if self.warnings:
            found["warnings"] = list(self.warnings)
        if self.is_skipping_watch:
            found["skip_watch"] = True
        found.update(self.more)
        return found


def failed(comment: str | list[str]) -> Outcome:
    """Give the outcome of a state that failed without changing anything."""
    return Outcome(False, comment)
