"""Waits for many things at once, and knows which descriptor belongs to which of them."""

import select
import time
from collections.abc import Sequence
from typing import Protocol, runtime_checkable

from limpet.common.transport.options import poll_milliseconds


class HasFileno(Protocol):
    """A pipe, a Unix socket: whatever has a descriptor."""

    def fileno(self) -> int:
        """Give the descriptor."""
        ...


class Handle(Protocol):
    """A socket of libzmq. Its descriptor tells of what comes only while it is known to be empty."""

    @property
    def is_empty(self) -> bool:
        """Whether the last look found nothing, and nothing was sent since."""
        ...

    def has_waiting(self) -> bool:
        """Look whether there is something to read."""
        ...

    def fileno(self) -> int:
        """Give the descriptor that becomes readable when there may be something to read."""
        ...


@runtime_checkable
class HasHandles(Protocol):
    """A socket of ours: one thing to its caller, several to the poller underneath."""

    def handles(self) -> Sequence[Handle]:
        """Give what is to be polled."""
        ...


Pollable = HasHandles | HasFileno | int


class Poller:
    """Waits for many things at once: sockets of ours, descriptors, and things that have one.

    A socket is ready if a frame or an event waits. Readiness stays until both are read, so a
    caller that stops at its budget is simply woken again. Unregister a thing before its close, or,
    if it is no more than a descriptor, before the next wait.
    """

    def __init__(self) -> None:
        self._poll = select.poll()
        self._things: dict[int, tuple[Pollable, Handle | None]] = {}
        self._handles: list[tuple[Handle, Pollable]] = []
        self._fds: dict[Pollable, list[int]] = {}

    def register(self, thing: Pollable, *, readable: bool = True, writable: bool = False) -> None:
        """Wait for this thing, too; again, with other wishes, to change them."""
        self.unregister(thing)
        flags = (select.POLLIN if readable else 0) | (select.POLLOUT if writable else 0)
        fds = self._fds[thing] = []
        if isinstance(thing, HasHandles):
            assert readable
            assert not writable  # sends never wait; there is nothing to be told of
            for handle in thing.handles():
                fds.append(self._watch(handle.fileno(), flags, thing, handle))
                self._handles.append((handle, thing))
        else:
            fd = thing if isinstance(thing, int) else thing.fileno()
            fds.append(self._watch(fd, flags, thing, None))

    def _watch(self, fd: int, flags: int, thing: Pollable, handle: Handle | None) -> int:
        if fd in self._things:  # closed before it was unregistered, and libzmq was given its number
            self.unregister(self._things[fd][0])
        self._things[fd] = (thing, handle)
        self._poll.register(fd, flags)
        return fd

    def unregister(self, thing: Pollable) -> None:
        """Forget this thing; unknown ones are fine."""
        for fd in self._fds.pop(thing, ()):
            if self._things.pop(fd)[1] is not None:
                self._handles = [each for each in self._handles if each[1] is not thing]
            self._poll.unregister(fd)

    def wait(self, within_s: float) -> set[Pollable]:
        """Give what is ready, waiting for `within_s` at most (and for a minute at most).

        Errors and hang-ups of a descriptor make it ready: its reader finds out.
        """
        ready = {
            thing for handle, thing in self._handles if not handle.is_empty and handle.has_waiting()
        }
        until = time.monotonic() + within_s
        left_s = 0.0 if ready else within_s
        while found := self._poll.poll(poll_milliseconds(left_s)):
            for fd, _ in found:
                thing, handle = self._things[fd]
                if handle is None or handle.has_waiting():  # libzmq wakes for its own sake, too
                    ready.add(thing)
            left_s = until - time.monotonic()
            if ready or left_s <= 0:
                break
        return ready
