"""`retry`: how often, how long between, until what."""

from dataclasses import dataclass
from typing import Any, Final

from limpet.states.context import Loose

_KINDS: Final = {"until": bool, "attempts": int, "interval": int, "splay": int}


@dataclass(frozen=True, slots=True)
class Retry:
    """How a state is tried again."""

    until: bool = True
    """The result that ends it."""
    attempts: int = 2
    interval: int = 30
    """Seconds between two tries."""
    splay: int = 0
    """Up to that many seconds more, by chance."""

    @classmethod
    def of(cls, value: Loose) -> "Retry":
        """Read `retry`; a wrong value is the default, as in Salt."""
        if value is False:
            return cls(attempts=0)
        if not isinstance(value, dict):
            return cls()
        found: dict[str, Any] = {
            key: value[key]
            for key, kind in _KINDS.items()
            if key in value and isinstance(value[key], kind)
        }
        return cls(**found)

    def announced(self) -> str:
        """Say in test mode what would be done."""
        return (
            f"The state would be retried every {self.interval} seconds (with a splay of up to "
            f"{self.splay} seconds) a maximum of {self.attempts} times or until a result of "
            f"{self.until} is returned"
        )
