"""The status of the master in lines for people: a verdict, what there is, what needs a person.

    master 0.2.0, up 3 d 4 h, needs you: 1 thing

    Minions      97 of 100 are ready, 3 away (1 reconnecting, 2 offline); see `limpet minions`
    …

    What needs you:
      3 keys wait to be accepted: `limpet keys list`, then `limpet keys accept ID`

A figure may be missing: an older master does not tell all of them. Then what it would be shown in
is left out, and nothing is concluded from it.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Final, Literal

from limpet.common.control.replies import MasterStatus
from limpet.common.doctor.disk import BYTES_FEW, BYTES_MIN
from limpet.common.terminal.colors import Palette
from limpet.common.terminal.escape import escape_line
from limpet.common.terminal.times import duration_text

Command = Callable[..., str]
"""Gives the words of a command line as one to type: `Session.command`."""

Color = Literal["red", "yellow", "green", ""]

AWAY: Final = ("reconnecting", "offline", "never seen")
"""States of minions that are not there, as `limpet minions` names them."""
MEMORY_SHARE_FULL: Final = 0.9
"""Of what the master may take; at all of it every connection is ended."""
LAG_MAX_S: Final = 2.0
"""A longer turn of the loop within a minute is told; as `limpet doctor` judges."""
REASONS_SHOWN: Final = 3
CLONED: Final = "key_in_two_places"
"""Why a second host with the key of a minion is turned away."""
_LABEL_WIDTH: Final = 13


@dataclass(frozen=True, slots=True)
class Need:
    """Something that a person has to see to."""

    color: Literal["red", "yellow"]
    text: str
    """Escaped already."""


def status_lines(
    status: MasterStatus, now_s: float, palette: Palette, command: Command
) -> Iterator[str]:
    """Give the lines, escaped and painted. `now_s`: wall time."""
    figures = Figures(status.figures)
    needs = needs_of(status, figures, command)
    yield _verdict(status, needs, now_s, palette)
    yield ""
    for label, color, text in _rows(status, figures, command):
        painted = palette.paint(color, text) if color else text
        yield f"{palette.paint('dim', label.ljust(_LABEL_WIDTH))}{painted}"
    if needs:
        yield ""
        yield "What needs you:"
    for need in needs:
        yield f"  {palette.paint(need.color, need.text)}"


class Figures:
    """The figures that a master told: those that are there, and are numbers."""

    def __init__(self, told: Mapping[str, float]) -> None:
        self._told = told

    def get(self, name: str) -> float | None:
        """Give a figure; None: it was not told, or is no number to reckon with."""
        figure = self._told.get(name)
        return figure if figure is not None and math.isfinite(figure) and figure >= 0 else None

    def count(self, name: str) -> int:
        """Give a figure that counts something; 0 where it was not told."""
        return int(self.get(name) or 0)


# -- what needs a person --------------------------------------------------------------------------


def needs_of(status: MasterStatus, figures: Figures, command: Command) -> list[Need]:
    """Give what a person has to see to, the worst first."""
    found = [Need("red", escape_line(problem)) for problem in status.problems]
    doctor = escape_line(command("doctor"))
    found += _needs_of_disk(figures, doctor)
    if _is_nobody_there(status, figures):
        text = f"no minion is there (accepted: {status.fleet}): `{doctor}`"
        found.append(Need("red", text))
    pending = figures.count("keys_pending")
    if pending:
        listed, accept = (command("keys", *words) for words in (("list",), ("accept", "ID")))
        how = escape_line(f"`{listed}`, then `{accept}` or `{command('keys', 'reject', 'ID')}`")
        waits = "waits" if pending == 1 else "wait"
        found.append(Need("yellow", f"{_counted(pending, 'key')} {waits} to be accepted: {how}"))
    used, most = figures.get("rss_bytes"), figures.get("memory_bytes_max")
    if used is not None and most and used > most * MEMORY_SHARE_FULL:
        text = (
            f"{_percent(used, most)} of the memory that it may take is in use; "
            "at all of it every connection is ended: docs/sizing.md says what it needs"
        )
        found.append(Need("yellow", text))
    lag_s = figures.get("loop_lag_s")
    if lag_s is not None and lag_s > LAG_MAX_S:
        text = f"it stood still for {duration_text(lag_s)} within the last minute: `{doctor}`"
        found.append(Need("yellow", text))
    found.sort(key=lambda need: need.color != "red")
    return found


def _needs_of_disk(figures: Figures, doctor: str) -> Iterator[Need]:
    free = figures.get("disk_free_bytes")
    # What the store has run into is a problem already, in words of its own.
    if free is None or figures.count("store_trouble"):
        return
    if free < BYTES_MIN:
        text = f"the disk of the store is full, new jobs may be refused; make room: `{doctor}`"
        yield Need("red", text)
    elif free < BYTES_FEW:
        yield Need("yellow", f"the disk of the store is nearly full; make room: `{doctor}`")


def _is_nobody_there(status: MasterStatus, figures: Figures) -> bool:
    """Say whether minions were there once, and none is now; those that come back are awaited."""
    coming = figures.count("minions_syncing") + figures.count("minions_reconnecting")
    return status.ready == 0 and coming == 0 and figures.count("minions_offline") > 0


# -- how it is ------------------------------------------------------------------------------------


def _verdict(status: MasterStatus, needs: list[Need], now_s: float, palette: Palette) -> str:
    is_since_known = 0 < status.since_s <= now_s
    up = f", up {duration_text(now_s - status.since_s)}" if is_since_known else ""
    words, color = ", is well", "green"
    if needs:
        words = f", needs you: {_counted(len(needs), 'thing')}"
        color = "red" if any(need.color == "red" for need in needs) else "yellow"
    return palette.paint(color, f"master {escape_line(status.version)}{up}{words}")


def _rows(
    status: MasterStatus, figures: Figures, command: Command
) -> Iterator[tuple[str, Color, str]]:
    """Give each row's label, colour and text."""
    yield _minions(status, figures, command)
    pending, rejected = figures.get("keys_pending"), figures.get("keys_rejected")
    if pending is not None and rejected is not None:
        color: Color = "yellow" if pending else ""
        yield "Keys", color, f"{pending:.0f} waiting to be accepted, {rejected:.0f} rejected"
    clones = status.rejected.get(CLONED, 0)
    if clones > 0:
        # Nothing tells when that was, so it is no need that would stand there for ever.
        how = escape_line(command("events", "minion/*/cloned"))
        text = f"a second host with the same key was turned away {_counted(clones, 'time')}"
        yield "Clones", "yellow", f"{text}; `{how}` names those that still come"
    if figures.get("jobs_open") is not None:
        yield "Jobs", "", _jobs(figures, command)
    yield from _resources(figures)
    lag_s = figures.get("loop_lag_s")
    if lag_s is not None:
        lag = f"{lag_s * 1000:.0f} ms" if lag_s < 1 else duration_text(lag_s)
        text = f"the longest turn within the last minute took {lag}"
        yield "Loop", "yellow" if lag_s > LAG_MAX_S else "", text
    refused = {
        reason: number
        for reason, number in status.rejected.items()
        if number > 0 and reason != CLONED
    }
    if refused:
        yield "Turned away", "", _refused(refused)


def _minions(status: MasterStatus, figures: Figures, command: Command) -> tuple[str, Color, str]:
    if status.fleet == 0:
        how = escape_line(command("token", "create"))
        return "Minions", "", f"none is accepted yet; `{how}` makes a join string for new ones"
    words = [f"{status.ready} of {status.fleet} are ready"]
    syncing = figures.count("minions_syncing")
    if syncing:
        words.append(f"{syncing} syncing")
    away = {state: figures.count(f"minions_{state.replace(' ', '_')}") for state in AWAY}
    if any(away.values()):
        words.append(f"{sum(away.values())} away ({_by_state(away)})")
    text = ", ".join(words)
    if status.ready == status.fleet:
        return "Minions", "green", text
    return "Minions", "yellow", f"{text}; see `{escape_line(command('minions'))}`"


def _by_state(away: Mapping[str, int]) -> str:
    there = {state: number for state, number in away.items() if number}
    if len(there) == 1:
        return next(iter(there))
    return ", ".join(f"{number} {state}" for state, number in there.items())


def _jobs(figures: Figures, command: Command) -> str:
    number = figures.count("jobs_open")
    if not number:
        return "none under way"
    words = [f"{number} under way"]
    oldest_s = figures.get("oldest_job_s")
    if oldest_s is not None:
        words.append(f"the oldest for {duration_text(oldest_s)}")
    awaited = figures.get("deliveries_open")
    if awaited is not None:
        words.append(f"{_counted(int(awaited), 'result')} outstanding")
    return f"{', '.join(words)}; see `{escape_line(command('jobs', 'list'))}`"


def _resources(figures: Figures) -> Iterator[tuple[str, Color, str]]:
    """Give what there is of disk, memory and open files, against what there may be."""
    size, free = figures.get("disk_bytes"), figures.get("disk_free_bytes")
    if size and free is not None:
        color: Color = "red" if free < BYTES_MIN else "yellow" if free < BYTES_FEW else ""
        used = max(0.0, size - free)
        yield "Disk", color, f"{_share(used, size)} in use, {bytes_text(free)} free"
    stored = figures.get("store_bytes")
    if stored is not None:
        most = figures.get("history_bytes_max")
        text = bytes_text(stored)
        if most:
            # The file may be larger for a while: what was dropped is given back bit by bit.
            text = f"{text}; history is kept within {bytes_text(most)}"
        yield "Store", "", text
    memory, ceiling = figures.get("rss_bytes"), figures.get("memory_bytes_max")
    if memory is not None and ceiling:
        color = "yellow" if memory > ceiling * MEMORY_SHARE_FULL else ""
        yield "Memory", color, _share(memory, ceiling)
    elif memory is not None:
        yield "Memory", "", bytes_text(memory)
    opened, limit = figures.get("fds"), figures.get("fds_max")
    if opened is not None and limit:
        yield "Files", "", f"{opened:.0f} of {limit:.0f} open"


def _refused(refused: Mapping[str, int]) -> str:
    """Say what was turned away most; all of it stands in the documents for programs."""
    by_number = sorted(refused.items(), key=lambda item: (-item[1], item[0]))
    shown = [f"{number} {escape_line(reason)}" for reason, number in by_number[:REASONS_SHOWN]]
    more = len(by_number) - len(shown)
    if more:
        shown.append(f"{more} more in `--format json`")
    return f"since its start: {', '.join(shown)}"


# -- words ----------------------------------------------------------------------------------------


def bytes_text(number: float) -> str:
    """Give a size to three digits or fewer: `512 B`, `1.2 GiB`, `40 GiB`."""
    unit = "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if number < 999.5:
            break
        number, unit = number / 1024, larger
    return f"{number:.1f} {unit}" if unit != "B" and number < 9.95 else f"{number:.0f} {unit}"


def _share(part: float, whole: float) -> str:
    return f"{bytes_text(part)} of {bytes_text(whole)} ({_percent(part, whole)})"


def _percent(part: float, whole: float) -> str:
    return f"{100 * part / whole:.0f} %"


def _counted(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
