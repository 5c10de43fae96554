"""The clock of this host beside the master's."""

import time
from pathlib import Path
from typing import Final, NamedTuple

from limpet.common.messages.sources import CLOCK
from limpet.minion.control.files_client import SourcesOfMaster
from limpet.states.ports.served import Question

ASK_S: Final = 4.0
AGREED_S: Final = 0.1
APART_WARN_S: Final = 5.0
"""Times in logs and answers can't be compared any more."""
APART_MAX_S: Final = 600.0
"""Join strings are refused above this (`limpet.master.enrolment.authority.CLOCK_SKEW_MAX_S`)."""


class Apart(NamedTuple):
    """How far the clocks are apart."""

    ahead_s: float
    """This host's time less the master's."""
    within_s: float
    """By how much that may be wrong: half of the way there and back."""


def compare_with_master(socket_path: Path) -> Apart | None:
    """Ask the master's time through the running minion; None: that master does not tell it.

    Raises `HostError` where the minion does not run, has no session, or no answer comes.
    """
    sources = SourcesOfMaster(socket_path, question_s=ASK_S)
    try:
        asked, began = time.time(), time.monotonic()
        served = sources.ask(Question("environments"))
        took_s = time.monotonic() - began
    finally:
        sources.close()
    told = served.attributes.get(CLOCK)
    if not isinstance(told, int):
        return None
    return Apart(asked + took_s / 2 - told / 1_000_000, took_s / 2)


def apart_text(ahead_s: float) -> str:
    """Say it in words: `this host's clock is 3.2 s behind the master's`."""
    if abs(ahead_s) < AGREED_S:
        return "this host's clock agrees with the master's"
    from limpet.common.terminal.times import duration_text

    where = "ahead of" if ahead_s > 0 else "behind"
    return f"this host's clock is {duration_text(abs(ahead_s))} {where} the master's"
