"""The threads that read files for minions, so that the loop never waits for a disk.

As many as `file_server_at_once`; the core hands out no more than they can begin at once. What they
find comes back through `collect`, in the loop. None of them is waited for at the end.

Roots may be exchanged at any time. Whoever was in the middle of a file goes on with it: pieces are
asked for by their file's digest, and the roots of before still give them for a while.
"""

import os
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from limpet.common.messages.sources import CHANGED
from limpet.master.packages.serving import PackageFiles
from limpet.master.sources.digests import Digests
from limpet.master.sources.files import Files
from limpet.master.sources.listing import Walker
from limpet.master.sources.work import (
    Found,
    Listed,
    LookUp,
    NameEnvironments,
    PieceRead,
    ReadPiece,
    Result,
    SourceRead,
    WalkTree,
    Work,
)
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.upgrades import PACKAGES_ENVIRONMENT

Roots = Mapping[str, Sequence[str]]
"""Directories by environment, uppermost first."""

EARLIER_S: Final = 900.0
"""How long after an exchange a piece of a file is still looked for in the roots of before."""
EARLIER_MAX: Final = 4
"""Of so many exchanges."""


class SourceReader:
    """Does the work of the file server's desk."""

    def __init__(self, roots: Roots, *, at_once: int, file_bytes_max: int, packages: Path) -> None:
        """Take the roots by environment. Nothing is read before the first work comes.

        `packages` is the directory of what minions are upgraded to: an environment of its own.
        """
        self._digests = Digests()
        self._served = _Served(roots, self._digests, file_bytes_max)
        self._earlier: deque[tuple[float, _Served]] = deque(maxlen=EARLIER_MAX)
        self._packages = PackageFiles(packages, self._digests)
        self._at_once = at_once
        self._threads: list[threading.Thread] = []
        self._work: deque[tuple[int, Work]] = deque()
        self._idle = 0
        self._changed = threading.Condition()
        self._done: deque[SourceRead] = deque()
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def read(self, ticket: int, work: Work) -> None:
        """Have a piece of work done; answered by one `SourceRead`."""
        with self._changed:
            self._work.append((ticket, work))
            if self._idle < len(self._work) and len(self._threads) < self._at_once:
                self._start_thread()
            self._changed.notify()

    def _start_thread(self) -> None:
        """Start one more thread; without any, answer what waits with the reason."""
        name = f"file-server-{len(self._threads)}"
        thread = threading.Thread(target=self._run, name=name, daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # memory or processes have run out; the next work tries again
            if not self._threads:
                while self._work:
                    ticket, work = self._work.popleft()
                    text = f"the master can't read files now: {error}"
                    self._finish(SourceRead(ticket, _failed(work, text)))
            return
        self._threads.append(thread)

    def exchange(self, roots: Roots, *, file_bytes_max: int) -> None:
        """Serve other roots from now on; those who pull a file of the old ones still get it."""
        new = _Served(roots, self._digests, file_bytes_max)
        with self._changed:
            if (new.roots, new.bytes_max) == (self._served.roots, self._served.bytes_max):
                return
            self._earlier.append((time.monotonic() + EARLIER_S, self._served))
            self._served = new

    def fileno(self) -> int:
        """Give the descriptor that is readable when `collect` has something."""
        return self._wake

    def collect(self) -> list[SourceRead]:
        """Give what was done since the last call."""
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return []
        with self._changed:
            done = list(self._done)
            self._done.clear()
        return done

    def figures(self) -> dict[str, float]:
        """Give gauges for people."""
        with self._changed:
            busy = len(self._threads) - self._idle
        return {
            "file_server_reading": float(busy),
            "file_server_hashed_bytes": float(self._digests.hashed_bytes),
        }

    def close(self, *, within_s: float = 1.0) -> None:
        """Let the threads end; one that hangs in a disk is left behind."""
        with self._changed:
            self._digests.is_stopping = True
            self._changed.notify_all()
        for thread in self._threads:
            thread.join(within_s / max(1, len(self._threads)))
        with self._changed:
            if self._wake >= 0:
                os.close(self._wake)
                self._wake = -1

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            ticket, work = taken
            result = self._do(work)
            with self._changed:
                self._finish(SourceRead(ticket, result))

    def _finish(self, read: SourceRead) -> None:
        """Give a result to the loop; the lock is held."""
        self._done.append(read)
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)

    def _take(self) -> tuple[int, Work] | None:
        with self._changed:
            self._idle += 1
            while not self._work and not self._digests.is_stopping:
                self._changed.wait()
            self._idle -= 1
            return None if self._digests.is_stopping else self._work.popleft()

    def _do(self, work: Work) -> Result:
        with self._changed:
            served = self._served
        try:
            if not isinstance(work, NameEnvironments) and work.environment == PACKAGES_ENVIRONMENT:
                return self._packages.do(work)
            match work:
                case LookUp():
                    return served.files.look_up(work)
                case ReadPiece():
                    return self._read(served, work)
                case WalkTree(environment=environment):
                    return served.walker.walk(environment)
                case NameEnvironments():
                    return served.walker.environments()
        except Exception as error:  # noqa: BLE001
            # A mistake of ours in one question must not take the others' answers away.
            text = f"the file server failed: {error!r}\n{traceback.format_exc(limit=-3)}"
            return _failed(work, text)

    def _read(self, served: "_Served", work: ReadPiece) -> PieceRead:
        """Read a piece; what the roots do not have any more is looked for in those of before."""
        read = served.files.read(work)
        if read.problem != CHANGED:
            return read
        with self._changed:
            while self._earlier and self._earlier[0][0] < time.monotonic():
                self._earlier.popleft()
            earlier = [each for _until, each in reversed(self._earlier)]
        for each in earlier:
            found = each.files.read(work)
            if not found.problem:
                return found
        return read


class _Served:
    """Roots, and what answers questions about them."""

    def __init__(self, roots: Roots, digests: Digests, bytes_max: int) -> None:
        directories = DirectoryRoots(roots)
        self.roots = {name: tuple(places) for name, places in roots.items()}
        self.bytes_max = bytes_max
        self.files = Files(directories, digests, bytes_max=bytes_max)
        self.walker = Walker(directories, digests)


def _failed(work: Work, text: str) -> Result:
    if isinstance(work, LookUp):
        return Found(False, problem=text)
    if isinstance(work, ReadPiece):
        return PieceRead(b"", text)
    return Listed(is_found=True, problem=text)
