"""The book that a poller keeps: which handle belongs to which of the caller's things."""

import time
from collections.abc import Sequence
from typing import Any, Protocol, runtime_checkable

from limpet.common.transport.options import poll_milliseconds

READABLE = 1
WRITABLE = 2
"""The flags of every poller under this one."""


class HasFileno(Protocol):
    """A pipe, a Unix socket: whatever has a descriptor."""

    def fileno(self) -> int:
        """Give the descriptor."""
        ...


@runtime_checkable
class HasHandles(Protocol):
    """A socket of ours: one thing to its caller, several to the poller underneath."""

    def handles(self) -> Sequence[Any]:
        """Give what is to be polled."""
        ...


Pollable = HasHandles | HasFileno | int


class RawPoller(Protocol):
    """What does the waiting."""

    def register(self, handle: Any, flags: int) -> None:  # noqa: ANN401 - foreign sockets
        """Wait for this handle, too."""
        ...

    def unregister(self, handle: Any) -> None:  # noqa: ANN401
        """Forget this handle."""
        ...

    def poll(self, timeout: int) -> Sequence[tuple[Any, int]]:
        """Wait at most so many milliseconds; gives what is ready."""
        ...


class PollBook:
    """Waits for many things at once: sockets of ours, descriptors, and things that have one.

    A socket is ready if a frame or an event waits. Readiness stays until both are read, so a
    caller that stops at its budget is simply woken again. Unregister a thing before its close.
    """

    def __init__(self, raw: RawPoller) -> None:
        self._raw = raw
        self._things: dict[Any, Pollable] = {}
        self._handles: dict[Pollable, tuple[Any, ...]] = {}

    def register(self, thing: Pollable, *, readable: bool = True, writable: bool = False) -> None:
        """Wait for this thing, too; again, with other wishes, to change them."""
        self.unregister(thing)
        flags = (READABLE if readable else 0) | (WRITABLE if writable else 0)
        if isinstance(thing, int):
            handles: tuple[Any, ...] = (thing,)
        elif isinstance(thing, HasHandles):
            assert readable
            assert not writable  # sends never wait; there is nothing to be told of
            handles = tuple(thing.handles())
        else:
            handles = (thing.fileno(),)
        for handle in handles:
            assert handle not in self._things
            self._things[handle] = thing
            self._raw.register(handle, flags)
        self._handles[thing] = handles

    def unregister(self, thing: Pollable) -> None:
        """Forget this thing; unknown ones are fine."""
        for handle in self._handles.pop(thing, ()):
            del self._things[handle]
            self._raw.unregister(handle)

    def wait(self, within_s: float) -> set[Pollable]:
        """Give what is ready, waiting for `within_s` at most (and for a minute at most).

        Errors and hang-ups of a descriptor make it ready: its reader finds out.
        """
        if not self._things:  # libzmq would not wait at all
            time.sleep(poll_milliseconds(within_s) / 1000)
            return set()
        ready = self._raw.poll(poll_milliseconds(within_s))
        return {self._things[handle] for handle, _ in ready}
