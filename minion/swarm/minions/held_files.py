"""What the minions of a swarm hold of the master's files: that they had them, never the bytes.

Each minion remembers which digest a path had when it was last fetched whole, as a real one's cache
does, so that a second fetch moves no bytes. What listings and SLS files say is read once for all
minions of a process.
"""

from collections import OrderedDict
from collections.abc import Callable
from sys import intern
from typing import Final, Generic, TypeVar

from limpet.minion.swarm.minions.questions import Named, Place, names_in
from limpet.states.fileroots.served.listing import read_listing

HELD_MAX: Final = 1_000
"""Paths of which one minion remembers a digest; the oldest make room."""
LISTINGS_MAX: Final = 8
TEXTS_MAX: Final = 4_096
TEXT_BYTES_MAX: Final = 1024 * 1024
"""As much of an SLS file is looked into."""

T = TypeVar("T")
Listed = dict[str, tuple[int, str]]
"""Files of an environment: size, and digest where the master told it."""


class Held:
    """Of one minion."""

    __slots__ = ("_digests",)

    def __init__(self) -> None:
        self._digests: dict[str, str] | None = None  # most minions never fetch anything

    def digest_of(self, kind: str, place: Place) -> str:
        """Give the digest of what was fetched last under this name; empty: nothing was."""
        return "" if self._digests is None else self._digests.get(_key(kind, place), "")

    def note(self, kind: str, place: Place, digest: str) -> None:
        """Remember what was fetched whole."""
        if self._digests is None:
            self._digests = OrderedDict()
        self._digests[intern(_key(kind, place))] = intern(digest)
        if len(self._digests) > HELD_MAX:
            del self._digests[next(iter(self._digests))]


class Readings(Generic[T]):
    """What bodies say, by their digest; the ones that were wanted longest ago make room."""

    def __init__(self, read: Callable[[bytes], T], most: int) -> None:
        self._read = read
        self._most = most
        self._found: OrderedDict[str, T] = OrderedDict()

    def get(self, digest: str) -> T | None:
        """Give what a body says; None: it has to be fetched."""
        found = self._found.get(digest)
        if found is not None:
            self._found.move_to_end(digest)
        return found

    def add(self, digest: str, body: bytes) -> None:
        """Read a body that was fetched. Raises `HostError` where it is not what it should be."""
        self._found[digest] = self._read(body)
        if len(self._found) > self._most:
            self._found.popitem(last=False)


class Shared:
    """What all minions of a process read only once."""

    def __init__(self) -> None:
        self.listings: Readings[Listed] = Readings(_listed, LISTINGS_MAX)
        self.texts: Readings[Named] = Readings(_named, TEXTS_MAX)


def _listed(body: bytes) -> Listed:
    files = read_listing(body, "base").files
    return {path: (facts.size, facts.digest) for path, facts in files.items()}


def _named(body: bytes) -> Named:
    return names_in(body[:TEXT_BYTES_MAX].decode("utf-8", "replace"))


def _key(kind: str, place: Place) -> str:
    return f"{kind} {place.environment} {place.path}"
