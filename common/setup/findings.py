"""What checks of a host find: how it is, and what to do about it; and running many of them at once.

Each check has a limit on its time, whatever it looks at: a dead name server, a disk that hangs. One
that is late is reported as that, and left behind.
"""

import threading
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Generic, Literal, TypeVar

from limpet.common.errors import LimpetError

T = TypeVar("T")

Verdict = Literal["ok", "warn", "fail"]

SPARE_S: Final = 0.5
"""What is waited beyond a check's own limit before it counts as late."""


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing that was looked at."""

    check: str
    """What was looked at, in a word or two: `names`, `ports`, `clock`, …"""
    verdict: Verdict
    text: str
    """How it is."""
    advice: str = ""
    """What to do; empty where nothing is to be done."""


@dataclass(frozen=True, slots=True)
class Check:
    """Something to look at."""

    name: str
    look: Callable[[], Iterable[Finding]]
    limit_s: float = 5.0


def ok(check: str, text: str) -> Finding:
    """Find that all is well."""
    return Finding(check, "ok", text)


def warn(check: str, text: str, advice: str) -> Finding:
    """Find something that will do for now."""
    return Finding(check, "warn", text, advice)


def fail(check: str, text: str, advice: str) -> Finding:
    """Find something that keeps limpet from working, or is not safe."""
    return Finding(check, "fail", text, advice)


def is_well(findings: Iterable[Finding]) -> bool:
    """Say whether none of them failed."""
    return all(finding.verdict != "fail" for finding in findings)


def run_checks(checks: Sequence[Check]) -> tuple[tuple[Finding, ...], ...]:
    """Run all checks side by side; gives the findings of each, in the order of the checks.

    Takes as long as the slowest, and never longer than the longest limit and a moment. A check that
    raises an error of limpet or of the system has failed with it.
    """
    found: dict[int, tuple[Finding, ...]] = {}

    def run(number: int, check: Check) -> None:
        try:
            found[number] = tuple(check.look())
        except LimpetError as error:
            found[number] = (fail(check.name, str(error), ""),)
        except OSError as error:
            place = f"{error.filename}: " if error.filename else ""
            found[number] = (fail(check.name, f"{place}{error.strerror or error}", ""),)

    began = time.monotonic()
    threads = [
        threading.Thread(target=run, args=each, name=each[1].name, daemon=True)
        for each in enumerate(checks)
    ]
    for thread in threads:
        thread.start()
    for number, (check, thread) in enumerate(zip(checks, threads, strict=True)):
        thread.join(max(0.0, began + check.limit_s + SPARE_S - time.monotonic()))
        if number not in found and thread.is_alive():
            text = f"did not end within {check.limit_s:g} s"
            advice = "what it looks at hangs: a disk, a name server, or a daemon of limpet"
            found[number] = (fail(check.name, text, advice),)
        elif number not in found:  # a mistake of this program; its traceback is on stderr
            found[number] = (fail(check.name, "the check itself broke", "please report it"),)
    return tuple(found[number] for number in range(len(checks)))


class Asked(Generic[T]):
    """A question that is put at once, in a thread, and whose answer several checks want."""

    def __init__(self, ask: Callable[[], T], *, limit_s: float) -> None:
        """Put it. `limit_s` is how long `answer` waits, from now."""
        self._ask = ask
        self._until = time.monotonic() + limit_s
        self._answers: list[T] = []
        self.error: LimpetError | None = None
        """Why there is none."""
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()

    def answer(self) -> T | None:
        """Give the answer; None: there is none, or not yet."""
        self._thread.join(max(0.0, self._until - time.monotonic()))
        return self._answers[0] if self._answers else None

    def _run(self) -> None:
        try:
            self._answers.append(self._ask())
        except LimpetError as error:
            self.error = error
