"""Where libzmq begins to number its connections: made different in each process, once.

libzmq never seeds its generator, so the numbers of a fresh process could be foreseen; who claims
a number that comes next could end the process.
"""

import os
import threading
from collections.abc import Callable
from typing import Final

BURNED_MAX: Final = 5_000
BATCH: Final = 250
"""Sockets close asynchronously, and each has a descriptor."""

_lock: Final = threading.Lock()
_is_mixed = False


def mix(burn: Callable[[int], None]) -> None:
    """Mix, unless this process has; `burn(n)` makes n sockets that take a number, and ends them."""
    global _is_mixed
    with _lock:
        if _is_mixed:
            return
        import ctypes  # only here: a minion never comes by, and saves the memory

        chance = os.urandom(8)
        ctypes.CDLL(None).srand(int.from_bytes(chance[:4], "big"))
        remaining = int.from_bytes(chance[4:], "big") % BURNED_MAX
        while remaining:
            number = min(remaining, BATCH)
            remaining -= number
            burn(number)
        _is_mixed = True
