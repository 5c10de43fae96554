"""The threads that read files for minions, so that the loop never waits for a disk.

As many as `file_server_at_once`; the core hands out no more than they can begin at once. What they
find comes back through `collect`, in the loop. None of them is waited for at the end.

Roots may be exchanged at any time. Whoever was in the middle of a file goes on with it: pieces are
asked for by their file's digest, and the roots of before still give them for a while.
"""

import sys
import threading
import time
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

from limpet.common.messages.sources import CHANGED
from limpet.master.files.io.digests import Digests
from limpet.master.files.io.listing import Walker
from limpet.master.files.io.roots import Files
from limpet.master.files.reads import (
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
from limpet.master.process.worker_threads import WorkerThreads
from limpet.master.upgrading.io.package_files import PackageFiles
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.ports.upgrades import PACKAGES_ENVIRONMENT

Roots = Mapping[str, Sequence[str]]
"""Directories by environment, uppermost first."""

EARLIER_S: Final = 900.0
"""How long after an exchange a piece of a file is still looked for in the roots of before."""
EARLIER_MAX: Final = 4
"""Of so many exchanges."""


class SourceReader:
    """Does what the file server's decisions ask for."""

    def __init__(self, roots: Roots, *, at_once: int, file_bytes_max: int, packages: Path) -> None:
        """Take the roots by environment. Nothing is read before the first work comes.

        `packages` is the directory of what minions are upgraded to: an environment of its own.
        """
        self._digests = Digests()
        self._served = _Served(roots, self._digests, file_bytes_max)
        self._earlier: deque[tuple[float, _Served]] = deque(maxlen=EARLIER_MAX)
        self._packages = PackageFiles(packages, self._digests)
        self._exchanging = threading.Lock()
        """Of what is served now, and was."""
        self._threads: WorkerThreads[tuple[int, Work], SourceRead] = WorkerThreads(
            "file-server", self._answer, _failed, at_once=at_once
        )

    def read(self, ticket: int, work: Work) -> None:
        """Have a piece of work done; answered by one `SourceRead`."""
        self._threads.ask((ticket, work))

    def exchange(self, roots: Roots, *, file_bytes_max: int) -> None:
        """Serve other roots from now on; those who pull a file of the old ones still get it."""
        new = _Served(roots, self._digests, file_bytes_max)
        with self._exchanging:
            if (new.roots, new.bytes_max) == (self._served.roots, self._served.bytes_max):
                return
            self._earlier.append((time.monotonic() + EARLIER_S, self._served))
            self._served = new

    def fileno(self) -> int:
        """Give the descriptor that is readable when `collect` has something."""
        return self._threads.fileno()

    def collect(self) -> list[SourceRead]:
        """Give what was done since the last call."""
        return self._threads.collect()

    def figures(self) -> dict[str, float]:
        """Give gauges for people."""
        return {
            "file_server_reading": float(self._threads.busy),
            "file_server_hashed_bytes": float(self._digests.hashed_bytes),
        }

    def close(self, *, within_s: float = 1.0) -> None:
        """Let the threads end; one that hangs in a disk is left behind."""
        self._digests.is_stopping = True
        self._threads.close(within_s=within_s)

    def _answer(self, asked: tuple[int, Work]) -> SourceRead:
        ticket, work = asked
        return SourceRead(ticket, self._do(work))

    def _do(self, work: Work) -> Result:
        with self._exchanging:
            served = self._served
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

    def _read(self, served: "_Served", work: ReadPiece) -> PieceRead:
        """Read a piece; what the roots do not have any more is looked for in those of before."""
        read = served.files.read(work)
        if read.problem != CHANGED:
            return read
        with self._exchanging:
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


def _failed(asked: tuple[int, Work], reason: str) -> SourceRead:
    """Answer with a reason, and with the last lines of the error that is being handled, if any."""
    ticket, work = asked
    text = f"the file server failed: {reason}"
    if sys.exception() is not None:
        text += f"\n{traceback.format_exc(limit=-3)}"
    if isinstance(work, LookUp):
        return SourceRead(ticket, Found(False, problem=text))
    if isinstance(work, ReadPiece):
        return SourceRead(ticket, PieceRead(b"", text))
    return SourceRead(ticket, Listed(is_found=True, problem=text))
