"""Reading files of the roots for minions: looked up anew for each question, never by an old path.

The open is the check (`limpet.states.fileroots.walk`): nothing outside the roots, no device, no
FIFO is opened for anybody. Blocks as the disk does; called in threads.
"""

import hashlib
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import msgspec

from limpet.common.errors import SourceError
from limpet.common.messages.sources import CHANGED
from limpet.master.files.io.digests import Digests, Identity, Interrupted, Unsteady
from limpet.master.files.reads import Found, LookUp, PieceRead, ReadPiece
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.fileroots.walk import opened

UNSTEADY: Final = "it changes faster than it can be read; try again when whoever writes it is done"


class Files:
    """Answers questions about single files."""

    def __init__(self, roots: DirectoryRoots, digests: Digests, *, bytes_max: int) -> None:
        self._roots = roots
        self._digests = digests
        self._bytes_max = bytes_max

    def look_up(self, work: LookUp) -> Found:
        """Find a file, with its digest, and its content where it is small and wanted."""
        try:
            with self._opened(work.environment, work.name) as descriptor:
                if descriptor is None:
                    return Found(False)
                return self._described(descriptor, work)
        except (SourceError, OSError, Unsteady, Interrupted) as error:
            return Found(False, problem=_said(work, error))

    def read(self, work: ReadPiece) -> PieceRead:
        """Read a piece, if the file that lies there now has that digest before and after."""
        try:
            with self._opened(work.environment, work.name) as descriptor:
                if descriptor is None:
                    return PieceRead(b"", CHANGED)
                identity, digest = self._digests.of(descriptor)
                if digest != work.digest:
                    return PieceRead(b"", CHANGED)
                if work.offset >= identity.size:
                    text = f"a piece at byte {work.offset} of {identity.size} is asked for"
                    return PieceRead(b"", f"{_shown(work)}: {text}")
                data = os.pread(descriptor, work.size_max, work.offset)
                if not data or Identity.of(os.fstat(descriptor)) != identity:
                    return PieceRead(b"", CHANGED)
                return PieceRead(data)
        except Unsteady:
            return PieceRead(b"", CHANGED)
        except (SourceError, OSError, Interrupted) as error:
            return PieceRead(b"", _said(work, error))

    def _described(self, descriptor: int, work: LookUp) -> Found:
        found = os.fstat(descriptor)
        if found.st_size > self._bytes_max:
            text = (
                f"it has {found.st_size} bytes, more than `file_bytes_max` ({self._bytes_max}) "
                "in master.yaml allows"
            )
            return Found(False, problem=f"{_shown(work)}: {text}")
        identity = Identity.of(found)
        digest = self._digests.recall(identity)
        body: bytes | None = None
        if identity.size <= work.body_max and not (digest and digest == work.known):
            body, digest = self._read_whole(descriptor, identity)
        if not digest:
            identity, digest = self._digests.of(descriptor)
        if body is not None and digest == work.known:
            body = None
        attributes = {"mode": found.st_mode & 0o7777, "mtime_s": found.st_mtime}
        return Found(True, digest, identity.size, msgspec.msgpack.encode(attributes), body)

    def _read_whole(self, descriptor: int, identity: Identity) -> tuple[bytes | None, str]:
        """Read a small file at once; nothing if it changes meanwhile."""
        began, began_wall_s = time.monotonic(), time.time()
        body = os.pread(descriptor, identity.size + 1, 0)
        if len(body) != identity.size or Identity.of(os.fstat(descriptor)) != identity:
            return None, ""
        digest = hashlib.sha256(body).hexdigest()
        self._digests.note(identity, digest, began, began_wall_s)
        return body, digest

    @contextmanager
    def _opened(self, environment: str, name: str) -> Iterator[int | None]:
        """Open the file that lies uppermost."""
        for root in self._roots.roots_of(environment):
            with opened(root, name) as descriptor:
                if descriptor is not None:
                    yield descriptor
                    return
        yield None


def _shown(work: LookUp | ReadPiece) -> str:
    return f"salt://{work.name} ({work.environment})"


def _said(work: LookUp | ReadPiece, error: Exception) -> str:
    """Say what is wrong without the places of this host, which are nobody else's business."""
    if isinstance(error, SourceError):
        text = str(error).removeprefix(f"{error.path}: ")
    elif isinstance(error, OSError):
        text = f"cannot be read: {error.strerror or type(error).__name__}"
    elif isinstance(error, Unsteady):
        text = UNSTEADY
    else:
        text = "the master is about to end"
    return f"{_shown(work)}: {text}"
