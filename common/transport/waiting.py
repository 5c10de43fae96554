"""The one way to wait for a frame: with a deadline, and saying what for."""

import time
from collections.abc import Callable
from typing import TypeVar

from limpet.common.errors import Stalled

T = TypeVar("T")


def wait_for(
    look: Callable[[], T | None], sleep: Callable[[float], object], within_s: float, what: str
) -> T:
    """Look until something is there; `sleep(at_most_s)` until there may be more to see.

    Looks once even if `within_s` is 0. Raises `Stalled` at the deadline.
    """
    deadline = time.monotonic() + within_s
    while (found := look()) is None:
        remaining_s = deadline - time.monotonic()
        if remaining_s <= 0:
            raise Stalled(what, within_s)
        sleep(remaining_s)
    return found
