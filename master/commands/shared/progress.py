r"""How far runs of states are: records found in live output, and lines that show them.

A record is `\x1e`, a line of JSON and `\n` (`limpet.states.runner.telling` writes them). Whatever
else is in the output is handed on as it is.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.terminal.times import duration_text

RECORD_BYTES_MAX: Final = 8192
"""What goes on longer without an end is no record."""
NAME_CHARACTERS_MAX: Final = 60
BAR: Final = 16


@dataclass(frozen=True)
class Progress:
    """How far a run was when it told so."""

    data: Mapping[str, Any]
    """`total`, `done`, `changed`, `failed`, `running`, `ended`."""
    at_s: float
    """When that came, on the clock of `time.monotonic`."""

    def line(self, minion: str, now_s: float) -> str:
        """Give one line of text: how many states are done, what runs now and for how long."""
        total, done = _count(self.data, "total"), _count(self.data, "done")
        filled = min(BAR, BAR * done // total) if total else 0
        words = [f"{minion}  [{'#' * filled}{'.' * (BAR - filled)}] {done}/{total}"]
        for what in ("changed", "failed"):
            if count := _count(self.data, what):
                words.append(f"{count} {what}")
        running = self.data.get("running")
        for each in running if isinstance(running, list) else ():
            if isinstance(each, Mapping):
                took_s = _seconds(each.get("for_s")) + now_s - self.at_s
                name = f"{each.get('state')} {each.get('id')}"[:NAME_CHARACTERS_MAX]
                words.append(f"{name} ({duration_text(took_s)})")
        return "  ".join(words)


class Records:
    """Takes the records out of the output of one minion."""

    def __init__(self) -> None:
        self._begun = b""
        """A record whose end has not come."""

    def feed(self, data: bytes) -> tuple[bytes, list[Progress]]:
        """Give the output without records, and the records."""
        text, *pieces = (self._begun + data).split(b"\x1e") if self._begun else data.split(b"\x1e")
        self._begun = b""
        found: list[Progress] = []
        for number, piece in enumerate(pieces):
            line, end, rest = piece.partition(b"\n")
            if end:
                progress = _read(line)
                if progress is not None:
                    found.append(progress)
                    text += rest
                    continue
            elif number == len(pieces) - 1 and len(line) < RECORD_BYTES_MAX:
                self._begun = b"\x1e" + piece
                continue
            text += b"\x1e" + piece
        return text, found

    def flush(self) -> bytes:
        """Give what looked like the beginning of a record, and was none."""
        text, self._begun = self._begun, b""
        return text


def _read(line: bytes) -> Progress | None:
    import json  # of use only where a run of states is watched

    try:
        data = json.loads(line)
    except (ValueError, RecursionError):
        return None
    progress = data.get("progress") if isinstance(data, dict) else None
    return Progress(progress, time.monotonic()) if isinstance(progress, dict) else None


def _count(data: Mapping[str, Any], key: str) -> int:
    value = data.get(key)
    return value if isinstance(value, int) else 0


def _seconds(value: object) -> float:
    return float(value) if isinstance(value, int | float) else 0.0
