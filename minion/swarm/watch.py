"""Waits for thousands of sockets by the descriptors that libzmq gives out, with one epoll.

Such a descriptor says only that the socket should be looked at: it stays readable until somebody
reads the socket until nothing is left, and any send may have swallowed what it had to say. So
whoever sends looks whether something came, and whoever stops at a budget comes back by itself. A
new socket tells nothing at all before somebody has looked and found it empty.
"""

import select
from typing import Final, NamedTuple

from limpet.common.transport.sockets import DealerSocket

READY_MAX: Final = 512
"""Descriptors looked at in one turn; the rest is ready still in the next."""


class Due(NamedTuple):
    """Something came for a minion: frames, or word of the connection."""

    minion: int
    is_word: bool


class Watcher:
    """The sockets of all minions, by the index of the minion."""

    def __init__(self) -> None:
        self._epoll = select.epoll()
        self._due: dict[int, Due] = {}
        self._others: set[int] = set()

    def add_descriptor(self, fd: int) -> None:
        """Wake up for another descriptor, too."""
        self._others.add(fd)
        self._epoll.register(fd, select.EPOLLIN)

    def watch_of(self, index: int) -> "OneWatch":
        """Give what a minion's socket is registered with."""
        return OneWatch(self, index)

    def add(self, index: int, thing: DealerSocket) -> None:
        """Wait for this socket: for its frames, and for its monitor."""
        for place, handle in enumerate(thing.handles()):
            fd = int(handle.fileno())
            self._due[fd] = Due(index, is_word=place > 0)
            self._epoll.register(fd, select.EPOLLIN)

    def remove(self, thing: DealerSocket) -> None:
        """Forget this socket."""
        for handle in thing.handles():
            fd = int(handle.fileno())
            if self._due.pop(fd, None) is not None:
                self._epoll.unregister(fd)

    def wait(self, within_s: float) -> tuple[list[Due], set[int]]:
        """Give who has something to read, and which other descriptors have."""
        due: list[Due] = []
        others: set[int] = set()
        for fd, _ in self._epoll.poll(max(0.0, within_s), READY_MAX):
            found = self._due.get(fd)
            if found is not None:
                due.append(found)
            elif fd in self._others:
                others.add(fd)
        return due, others

    def close(self) -> None:
        """Wait for nothing any more."""
        self._epoll.close()


class OneWatch:
    """One minion's place in the watcher."""

    __slots__ = ("_index", "_watcher")

    def __init__(self, watcher: Watcher, index: int) -> None:
        self._watcher = watcher
        self._index = index

    def register(self, thing: DealerSocket, /) -> None:
        """Wait for the minion's new socket."""
        self._watcher.add(self._index, thing)

    def unregister(self, thing: DealerSocket, /) -> None:
        """Forget it."""
        self._watcher.remove(thing)
