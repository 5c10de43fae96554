"""SHA-256 of files, remembered by what the kernel says of them.

A file is the same as long as device, inode, size and both of its times are. Those times come from a
coarse clock: a file that was changed in the last moments before it was read may be changed again
without a trace, so its digest is believed only once it was read a moment after it was first seen.
"""

import hashlib
import os
import threading
import time
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final, NamedTuple

KEPT_MAX: Final = 50_000
"""Digests that are remembered; the ones that were asked for longest ago make room."""
SETTLED_S: Final = 0.1
"""The kernel's clock of files is finer than this everywhere."""
TRIES_MAX: Final = 3
BLOCK_BYTES: Final = 1024 * 1024


class Identity(NamedTuple):
    """What changes whenever a file does."""

    device: int
    inode: int
    size: int
    modified_ns: int
    changed_ns: int

    @classmethod
    def of(cls, found: os.stat_result) -> "Identity":
        """Take it from the result of a stat."""
        return cls(found.st_dev, found.st_ino, found.st_size, found.st_mtime_ns, found.st_ctime_ns)


class Unsteady(Exception):
    """The file changes faster than it can be read."""


class Interrupted(Exception):
    """The process is about to end."""


@dataclass(slots=True)
class _Known:
    digest: str
    first_seen: float
    """Monotonic, when the reading began that first saw this identity."""
    is_settled: bool


class Digests:
    """The memory, shared by threads."""

    def __init__(self, *, kept_max: int = KEPT_MAX) -> None:
        self._kept_max = kept_max
        self._known: OrderedDict[Identity, _Known] = OrderedDict()
        self._lock = threading.Lock()
        self.is_stopping = False
        """Set to have long readings end soon, with `Interrupted`."""
        self.hashed_bytes = 0
        """Bytes that were read for their digest, for people."""

    def recall(self, identity: Identity) -> str:
        """Give the digest of a file that has not changed since it was read; empty: unknown."""
        with self._lock:
            known = self._known.pop(identity, None)
            if known is None:
                return ""
            self._known[identity] = known
            return known.digest if known.is_settled else ""

    def note(self, identity: Identity, digest: str, began: float, began_wall_s: float) -> None:
        """Remember what a whole reading gave that began then and met this identity at both ends."""
        age_s = began_wall_s - identity.changed_ns / 1e9
        with self._lock:
            known = self._known.pop(identity, None)
            first = began if known is None or known.digest != digest else known.first_seen
            is_settled = age_s > SETTLED_S or began - first > SETTLED_S
            self._known[identity] = _Known(digest, first, is_settled)
            if len(self._known) > self._kept_max:
                del self._known[next(iter(self._known))]

    def of(self, descriptor: int) -> tuple[Identity, str]:
        """Give identity and digest of an open file, reading it if need be.

        Raises `OSError`, `Unsteady`, `Interrupted`.
        """
        for _ in range(TRIES_MAX):
            identity = Identity.of(os.fstat(descriptor))
            digest = self.recall(identity)
            if digest:
                return identity, digest
            began, began_wall_s = time.monotonic(), time.time()
            digest = self._read(descriptor)
            if Identity.of(os.fstat(descriptor)) == identity:
                self.note(identity, digest, began, began_wall_s)
                return identity, digest
        raise Unsteady

    def _read(self, descriptor: int) -> str:
        whole = hashlib.sha256()
        offset = 0
        while block := os.pread(descriptor, BLOCK_BYTES, offset):
            if self.is_stopping:
                raise Interrupted
            whole.update(block)
            offset += len(block)
            self.hashed_bytes += len(block)
        return whole.hexdigest()
