"""The text of a refusal on the enrolment port: never a reason, always the master's time."""

from datetime import UTC, datetime
from typing import Final

_CLOCK: Final = "; the master's clock says "
_FORM: Final = "%Y-%m-%dT%H:%M:%SZ"


def with_clock(text: str, wall_s: float) -> str:
    """Put the master's time (seconds since 1970) behind the text of a refusal.

    A proof from another time is refused, as is all else, without a reason; this lets the person at
    the minion's host see that its clock is wrong. It stands in every refusal, so it betrays none.
    """
    clock = datetime.fromtimestamp(wall_s, UTC).strftime(_FORM)
    return f"{text[: 199 - len(_CLOCK) - len(clock)]}{_CLOCK}{clock}"


def clock_in(text: str) -> float | None:
    """Give the master's time out of the text of a refusal; None where it says none."""
    _, found, clock = text.partition(_CLOCK)
    try:
        return datetime.fromisoformat(clock.strip()).timestamp() if found else None
    except ValueError:
        return None
