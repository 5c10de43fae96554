"""`DIR/run/minion-status.json`: why the minion is, or is not, READY, without asking the master.

Written by a thread when something changed, at most once a second; a disk that hangs holds nothing
up. The last hundred changes of the link, with their causes, outlive a restart.
"""

import os
from collections import deque
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.errors import HostError
from limpet.common.storage.files import read_whole
from limpet.minion.process.disk_thread import DiskThread
from limpet.minion.sessions.states import CHANGES_KEPT, Change, State

WRITE_EVERY_S: Final = 1.0
FILE_BYTES_MAX: Final = 256 * 1024


class KeptChange(msgspec.Struct, frozen=True):
    """One change of the link's state."""

    at: float
    """Seconds since 1970."""
    state: str
    reason: str


class KeptChanges(msgspec.Struct, frozen=True):
    """What is read back of an earlier file."""

    changes: list[KeptChange] = []


class StatusFile:
    """The file, and what it holds at the moment."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._changes: deque[KeptChange] = deque(_read_changes(path), maxlen=CHANGES_KEPT)
        self._seen: Change | None = None
        self._figures: Mapping[str, Any] = {}
        self._is_changed = True
        self._written = 0.0
        self._disk_thread: DiskThread[bool] = DiskThread()
        self._is_writing = False

    def fileno(self) -> int:
        """Give what to poll for reading."""
        return self._disk_thread.fileno()

    @property
    def next_deadline(self) -> Instant:
        """Give when `collect` is wanted even if nothing comes."""
        if not self._is_changed or self._is_writing:
            return FOREVER
        return Instant(self._written + WRITE_EVERY_S)

    def note(self, changes: Iterable[Change], facts: Mapping[str, Any]) -> None:
        """Take the link's changes, the newest last, and whatever else is to be shown."""
        news: list[Change] = []
        for change in reversed(list(changes)):
            if change is self._seen:
                break
            news.append(change)
        if news:
            self._seen = news[0]
        for change in reversed(news):
            self._changes.append(
                KeptChange(round(change.at_wall_s, 3), change.state.value, str(change.reason))
            )
        if news or facts != self._figures:
            self._figures = facts
            self._is_changed = True

    def collect(self, now: Moment) -> None:
        """Write if there is something new and the last writing is done."""
        if self._disk_thread.collect():
            self._is_writing = False
        if self._is_changed and not self._is_writing and now.boot >= self._written + WRITE_EVERY_S:
            self._is_changed = False
            self._is_writing = True
            self._written = now.boot
            data = self._encoded()
            self._disk_thread.add(lambda: [_write(self._path, data)])

    def close(self) -> None:
        """Write the last word, within a moment."""
        data = self._encoded()
        self._disk_thread.add(lambda: [_write(self._path, data)])
        self._disk_thread.close(0.5)

    def _encoded(self) -> bytes:
        # States that pass at once (RESOLVING a number) say nothing to people about now.
        last = self._changes[-1] if self._changes else None
        head = {
            "state": last.state if last else State.STOPPED.value,
            "since": last.at if last else 0.0,
            "reason": last.reason if last else "",
        }
        content = {**head, **self._figures, "changes": list(self._changes)}
        return msgspec.json.format(msgspec.json.encode(content), indent=1)


def _read_changes(path: Path) -> list[KeptChange]:
    """Read the changes of an earlier process; a damaged file has none."""
    try:
        data = read_whole(path, bytes_max=FILE_BYTES_MAX)
        return msgspec.json.decode(data, type=KeptChanges).changes
    except (FileNotFoundError, HostError, msgspec.DecodeError, UnicodeDecodeError):
        return []


def _write(path: Path, data: bytes) -> bool:
    """Replace the file, without sync: after a power cut it says nothing of interest."""
    new = path.with_name(f".{path.name}.new")
    try:
        new.write_bytes(data)
        new.chmod(0o640)
        os.rename(new, path)
    except OSError:
        return False  # the disk is full or gone: the log has it all
    return True
