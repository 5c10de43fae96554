"""Records for systemd's journal, and lines on stderr where there is none.

One line for one record. Where stderr is the journal, the record goes there with its fields
(`journal.py`); what the journal's socket does not take goes to stderr, beginning with its priority,
`<4>`. Elsewhere a line begins with the time (UTC) and the level. Nothing that came from outside can
forge a line: control characters are escaped and fields are cut.

A log never harms the process: it does not raise (the disk may be full, the reader gone), and if
stderr takes no more, lines are dropped and counted rather than waited for.

    log = Log(level=parse_level("info"), identifier="limpet-master")
    log.warning("the store is slow", commit_ms=812)
    log.report("warning", "link.refused", "192.0.2.1 refuses connections")   # once a minute
"""

import os
import select
import threading
import time
from collections import OrderedDict
from collections.abc import Mapping
from enum import IntEnum
from typing import TYPE_CHECKING, Final

from limpet.common.clock import Clock, SystemClock
from limpet.common.errors import UsageError

if TYPE_CHECKING:
    from limpet.common.observability.journal import Journal

NO_MARKS: Final[Mapping[str, object]] = {}
FIELD_CHARACTERS_MAX: Final = 1024
"""A field longer than this is cut, with a mark."""
LINE_BYTES_MAX: Final = 4000
"""Under PIPE_BUF (4,096), so that lines of several processes never mix in a pipe."""
REPEAT_INTERVAL_S: Final = 60.0
"""Records of one topic appear once in this time; the others are counted."""
TOPICS_MAX: Final = 1000
"""Topics remembered at once; over it the oldest is forgotten, and may be shown again early."""
PATIENCE_MS: Final = 50
"""How long a line waits for a stderr that is full, the first time."""


class Level(IntEnum):
    """How loud; the numbers are syslog's priorities, so less is more urgent."""

    QUIET = -1
    CRITICAL = 2
    ERROR = 3
    WARNING = 4
    INFO = 6
    DEBUG = 7


_LEVELS: Final[Mapping[str, Level]] = {
    "quiet": Level.QUIET,
    "critical": Level.CRITICAL,
    "error": Level.ERROR,
    "warning": Level.WARNING,
    "info": Level.INFO,
    "debug": Level.DEBUG,
    # Salt's finer levels, which scripts pass: all of them are our finest.
    "profile": Level.DEBUG,
    "trace": Level.DEBUG,
    "garbage": Level.DEBUG,
    "all": Level.DEBUG,
}

MINION_TOPICS: Final = frozenset(
    (
        "cloned",
        "facts",
        "flood",
        "frame",
        "key.conflict",
        "key.renamed",
        "left.behind",
        "pillar",
        "slow",
        "source",
        "trust",
    )
)
"""Kinds of topics of the master whose second word is a minion."""
LEVEL_NAMES: Final = ("quiet", "critical", "error", "warning", "info", "debug")
"""The levels to show in a help text."""


def parse_level(text: str) -> Level:
    """Turn the word of `-l LEVEL` or `log_level:` into a level. Raises `UsageError`."""
    level = _LEVELS.get(text.strip().lower())
    if level is None:
        raise UsageError(f"{text[:40]!a} is not a log level: use one of {', '.join(LEVEL_NAMES)}")
    return level


def escaped(text: str, characters_max: int = FIELD_CHARACTERS_MAX) -> str:
    r"""Make text harmless to a terminal and to a line-based log, and cut it with a mark.

    Control characters (C0, DEL, C1), line and paragraph separators, direction overrides,
    zero-width characters and lone surrogates become `\x1b`, `\u202e` and the like.
    """
    rest = len(text) - characters_max
    if rest > 0:
        text = text[:characters_max]
    if not text.isprintable():
        text = "".join(
            character
            if character.isprintable()
            else character.encode("unicode_escape").decode("ascii")
            for character in text
        )
    return text if rest <= 0 else f"{text}…({rest} more characters)"


def is_journal(fd: int = 2) -> bool:
    """Say whether the descriptor is a stream of systemd's journal (`$JOURNAL_STREAM`)."""
    stream = os.environ.get("JOURNAL_STREAM", "")
    device, _, inode = stream.partition(":")
    if not (device.isdigit() and inode.isdigit()):
        return False
    try:
        status = os.fstat(fd)
    except OSError:
        return False
    return (status.st_dev, status.st_ino) == (int(device), int(inode))


class _Topic:
    """When a topic was last shown, and how many records have been held back since."""

    __slots__ = ("held", "held_at", "level", "shown_at", "text")

    def __init__(self, shown_at: float) -> None:
        self.shown_at = shown_at
        self.held = 0
        self.held_at = shown_at
        self.level = Level.INFO
        self.text = ""


class Log:
    """Where one process writes its lines. Safe to call from any thread; never raises.

    `level` may be changed at any time.
    """

    def __init__(
        self,
        *,
        level: Level = Level.INFO,
        fd: int = 2,
        clock: Clock | None = None,
        has_priorities: bool | None = None,
        identifier: str = "",
        marks: Mapping[str, object] = NO_MARKS,
        journal: "Journal | None" = None,
    ) -> None:
        """Write to `fd`. `has_priorities`: None looks whether it is the journal.

        `identifier` is the program's name there; with none, records are lines there as well.
        `marks` are fields of each record that its line does not show. `journal`: for a test.
        """
        self.level = level
        self.lines_dropped = 0
        self._fd = fd
        self._clock = clock if clock is not None else SystemClock()
        self._has_priorities = is_journal(fd) if has_priorities is None else has_priorities
        self._marks = dict(marks)
        self._journal = journal
        if journal is None and self._has_priorities and identifier:
            self._journal = _journal_as(identifier)
        self._lock = threading.Lock()
        """Of the topics; never held while something is written."""
        self._topics: OrderedDict[str, _Topic] = OrderedDict()
        self._is_stuck = False

    def debug(self, text: str, **fields: object) -> None:
        """Say something that only a developer wants."""
        self.write(Level.DEBUG, text, fields)

    def info(self, text: str, **fields: object) -> None:
        """Say that something worth knowing happened."""
        self.write(Level.INFO, text, fields)

    def warning(self, text: str, **fields: object) -> None:
        """Say that something needs attention, but goes on."""
        self.write(Level.WARNING, text, fields)

    def error(self, text: str, **fields: object) -> None:
        """Say that something failed."""
        self.write(Level.ERROR, text, fields)

    def critical(self, text: str, **fields: object) -> None:
        """Say that the process can't go on."""
        self.write(Level.CRITICAL, text, fields)

    def report(self, level: str, topic: str, text: str, **fields: object) -> None:
        """Say it, unless its topic was shown within the last minute; then count it.

        The next line of the topic tells how many were held back; `sweep` does if none comes.
        """
        priority = _LEVELS.get(level, Level.INFO)
        if priority > self.level:
            return
        now = self._clock.now().boot
        with self._lock:
            seen = self._topics.get(topic)
            if seen is not None and 0 <= now - seen.shown_at < REPEAT_INTERVAL_S:
                seen.held += 1
                seen.held_at = now
                seen.level = priority
                seen.text = text
                return
            self._topics.pop(topic, None)
            if len(self._topics) >= TOPICS_MAX:
                self._topics.pop(next(iter(self._topics)))
            self._topics[topic] = _Topic(now)
        if seen is not None and seen.held:
            fields = {**fields, "repeated": seen.held}
        self.write(priority, text, fields, self._marks_of(topic))

    def sweep(self) -> None:
        """Tell of records held back for a minute; to be called every minute or so."""
        now = self._clock.now().boot
        told: list[tuple[str, _Topic]] = []
        with self._lock:
            for topic, seen in list(self._topics.items()):
                if 0 <= now - seen.shown_at < REPEAT_INTERVAL_S:
                    continue
                del self._topics[topic]
                if seen.held:
                    self._topics[topic] = _Topic(now)
                    told.append((topic, seen))
        for topic, seen in told:
            ago_s = round(now - seen.held_at)  # what it tells may be over by now
            fields = {"repeated": seen.held, "seconds_ago": ago_s}
            self.write(seen.level, seen.text, fields, self._marks_of(topic))

    def write(
        self,
        level: Level,
        text: str,
        fields: Mapping[str, object],
        marks: Mapping[str, object] = NO_MARKS,
    ) -> None:
        """Write one record at a level, whatever came before.

        `fields` stand in the line too; `marks` say what the text says already, for the journal.
        """
        if level > self.level:
            return
        line = escaped(text)
        for name, value in fields.items():
            line += f" {name}={_shown(value)}"
        if self._journal is not None:
            every = {**self._marks, **marks, **fields}
            shown = {name: escaped(str(value)) for name, value in every.items()}
            if self._journal.send(int(level), _cut(line), shown):
                return
        start = f"<{int(level)}>" if self._has_priorities else f"{self._stamp()} {level.name:<8} "
        self._put(_cut(start + line).encode("utf-8", "backslashreplace"))

    def close(self) -> None:
        """Let go of the journal's socket: records are lines on stderr from here on."""
        if self._journal is not None:
            self._journal.close()
            self._journal = None

    def _marks_of(self, topic: str) -> dict[str, object]:
        """Give the fields of a topic: `KIND [REASON]`; of a master, also `KIND MINION [REASON]`."""
        kind, _, reason = topic.partition(" ")
        marks: dict[str, object] = {"topic": kind}
        if kind in MINION_TOPICS and "minion" not in self._marks:
            marks["minion"], _, reason = reason.partition(" ")
        if reason:
            marks["reason"] = reason
        return marks

    def _stamp(self) -> str:
        wall = self._clock.now().wall
        milliseconds = int(wall * 1000) % 1000
        return f"{time.strftime('%Y-%m-%dT%H:%M:%S', time.gmtime(wall))}.{milliseconds:03d}Z"

    def _put(self, line: bytes) -> None:
        if not self._is_writable():
            self.lines_dropped += 1
            return
        try:
            os.write(self._fd, line + b"\n")
        except OSError:  # no reader, no space: there is nowhere left to tell it
            self.lines_dropped += 1

    def _is_writable(self) -> bool:
        """Wait a little for a full stderr; after that was in vain, wait no more until it drains."""
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        try:
            found = poll.poll(0 if self._is_stuck else PATIENCE_MS)
        except OSError:
            return False
        self._is_stuck = not found
        return bool(found) and not found[0][1] & (select.POLLNVAL | select.POLLERR)


def _journal_as(identifier: str) -> "Journal | None":
    """Open the journal's socket; None: lines on stderr have to do."""
    from limpet.common.observability.journal import (
        Journal,  # only where it is: `socket` costs memory
    )

    try:
        return Journal(identifier)
    except OSError:
        return None


def _cut(line: str) -> str:
    data = line.encode("utf-8", "backslashreplace")
    if len(data) <= LINE_BYTES_MAX:
        return line
    return data[:LINE_BYTES_MAX].decode("utf-8", "ignore") + "…"


def _shown(value: object) -> str:
    """Give a field's value as one word, or in quotes."""
    text = escaped(str(value))
    if text and not set(text) & set(' "=\\'):
        return text
    return '"' + text.replace("\\", "\\\\").replace('"', '\\"') + '"'
