"""The host's clock by itself: whether something keeps it in time, whether it was set back."""

import ctypes
import os
import time
from collections.abc import Iterable
from pathlib import Path
from typing import Final

from limpet.common.setup.findings import Finding, ok, warn
from limpet.common.terminal.times import duration_text, local_text

FUTURE_S: Final = 60.0
"""A file of a later time than now by more than this was written before the clock was set back."""
OLD_S: Final = 86_400.0

_UNSYNCHRONISED: Final = 0x0040
"""STA_UNSYNC of adjtimex(2)."""
_SET_IT: Final = (
    "let a service set the clock: `timedatectl set-ntp true` (systemd-timesyncd, chrony)"
)


class _Timex(ctypes.Structure):
    """The beginning of adjtimex(2)'s struct; what follows is room."""

    _fields_ = (
        ("modes", ctypes.c_uint),
        ("offset", ctypes.c_long),
        ("frequency", ctypes.c_long),
        ("maximal_error", ctypes.c_long),
        ("estimated_error", ctypes.c_long),
        ("status", ctypes.c_int),
        ("rest", ctypes.c_char * 512),
    )


def is_kept_in_time() -> bool | None:
    """Ask the kernel whether a time service steers the clock; None: it does not say."""
    state = _Timex()
    try:
        library = ctypes.CDLL(None, use_errno=True)
        if library.adjtimex(ctypes.byref(state)) < 0:
            return None
    except (OSError, AttributeError):
        return None
    return not state.status & _UNSYNCHRONISED


def look(written: Iterable[Path], release: Path) -> Iterable[Finding]:
    """Look at the clock. `written`: files that limpet writes; `release`: one that came with it."""
    now_s = time.time()
    future = [(each, at_s - now_s) for each in written if (at_s := _written_s(each)) > now_s]
    late = [(each, ahead_s) for each, ahead_s in future if ahead_s > FUTURE_S]
    if late:
        path, ahead_s = max(late, key=lambda each: each[1])
        text = f"the clock was set back: {path} is of {duration_text(ahead_s)} from now"
        yield warn("clock", text, f"is {local_text(now_s, 0.0)} right? If not: {_SET_IT}")
    elif _written_s(release) > now_s + OLD_S:
        text = f"it says {local_text(now_s, 0.0)}, which is before this release was made"
        yield warn("clock", text, _SET_IT)
    is_kept = is_kept_in_time()
    if is_kept is False:
        yield warn("clock", "nothing keeps this clock in time, says the kernel", _SET_IT)
    elif not late:
        text = "a time service keeps it" if is_kept else "the kernel does not say who keeps it"
        yield ok("clock", f"{local_text(now_s, 0.0)}, {text}")


def _written_s(path: Path) -> float:
    try:
        return os.stat(path).st_mtime
    except OSError:
        return 0.0
