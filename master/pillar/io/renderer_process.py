"""The fork server's side of a process that renders: started, given work, listened to, ended."""

import mmap
import os
import select
import signal
import socket
import time
from contextlib import suppress
from typing import Final

import msgspec

from limpet.common.control.framing import FramedSocket
from limpet.common.errors import PeerError
from limpet.master.pillar.io import renderer
from limpet.master.pillar.messages import (
    GIVEN_BYTES_MAX,
    LIFE_S,
    LINE_BYTES_MAX,
    FromRenderer,
    Given,
    Last,
    OfItsOwn,
    Rendered,
)

IDLE_S: Final = 0.1
"""A process that nothing has been given for so long is ended."""
_GENERATIONS_MAX: Final = 100
_READS_A_TURN: Final = 16

_decoder: Final[msgspec.msgpack.Decoder[FromRenderer]] = msgspec.msgpack.Decoder(FromRenderer)
_encoder: Final = msgspec.msgpack.Encoder()


class RenderingProcess:
    """One process that renders, and what it has been given."""

    def __init__(self, setup: bytes, wall_s: float) -> None:
        """Fork it; `setup` is a `Setup`, encoded, and `wall_s` what each rendering may take.

        Raises `OSError` where descriptors or processes have run out; nothing is left open then.
        """
        self.given: Given | None = None
        """What it renders now."""
        self.give_up_s = 0.0
        """When it has to be done, on the clock of `time.monotonic`."""
        self._wall_s = wall_s
        self._is_last = False
        self._since_s = self._began_s = time.monotonic()
        self._place = mmap.mmap(-1, renderer.PLACE_BYTES)
        ours, theirs = socket.socketpair()
        try:
            self.pid = os.fork()
            if self.pid == 0:
                renderer.serve(setup, theirs, self._place)
            self.ended = os.pidfd_open(self.pid)
            """Readable when the process has ended."""
        except OSError:
            ours.close()
            raise
        finally:
            theirs.close()
        self.line = FramedSocket(
            ours,
            read_bytes_max=LINE_BYTES_MAX,
            write_bytes_max=GIVEN_BYTES_MAX,
            queue_bytes_max=GIVEN_BYTES_MAX,
        )

    @property
    def can_go_on(self) -> bool:
        """Say whether it may be given another one now."""
        is_young = time.monotonic() - self._began_s < LIFE_S
        return self.given is None and is_young and not self._is_last and not self.line.is_closed

    @property
    def is_over(self) -> bool:
        """Say whether it has nothing to do and will have nothing more."""
        is_idle = time.monotonic() - self._since_s >= IDLE_S
        return self.given is None and (is_idle or not self.can_go_on)

    @property
    def next_deadline_s(self) -> float:
        """When it is due, on the clock of `time.monotonic`."""
        return self._since_s + IDLE_S if self.given is None else self.give_up_s

    @property
    def where(self) -> str:
        """Say which file is rendered, to begin a sentence with; empty: none yet."""
        file = renderer.noted(self._place)
        return f"while {file} was rendered: " if file else ""

    @property
    def has_ended(self) -> bool:
        """Say whether the process has ended."""
        return bool(select.select([self.ended], [], [], 0)[0])

    def retire(self) -> None:
        """Give it nothing more after what it renders now."""
        self._is_last = True

    def give(self, given: Given) -> None:
        """Have a pillar rendered. That it has just grown too old to be chosen does no harm."""
        assert self.given is None
        assert not self._is_last
        self._place[:1] = b"\0"
        self.given = given
        self.give_up_s = time.monotonic() + self._wall_s
        self.line.send(_encoder.encode(given))

    def hear(self) -> Rendered | OfItsOwn | None:
        """Give what it says of what it was given; None: nothing yet.

        Raises `PeerError` and `msgspec.DecodeError` for what is no answer to that.
        """
        for payload in self.line.receive(reads_max=_READS_A_TURN):
            message = _decoder.decode(payload)
            if isinstance(message, Last):
                self._is_last = True
                continue
            number = None if self.given is None else self.given.asked.number
            if isinstance(message, Rendered) and message.number != number:
                raise PeerError("number", "it answers what it was not asked")
            self.given = None
            self._since_s = time.monotonic()
            self._is_last |= isinstance(message, OfItsOwn)
            return message
        return None

    def end(self) -> int:
        """End the process with all below it, bury it, and give its status."""
        for pid in (*_below(self.pid), self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(self.pid, 0)
        os.close(self.ended)
        self.line.close()
        self._place.close()
        return status


def bury_orphans(own: set[int]) -> None:
    """Bury what renderings left behind, all but those of its `own`: it is this process's by now.

    Each that ends may leave others, which are then this process's too.
    """
    for _ in range(_GENERATIONS_MAX):
        orphans = [pid for pid in _children(os.getpid()) if pid not in own]
        if not orphans:
            return
        for pid in orphans:
            with suppress(ProcessLookupError, ChildProcessError):
                os.kill(pid, signal.SIGKILL)
                os.waitpid(pid, 0)


def _below(pid: int) -> list[int]:
    """Give all processes below one, the nearest first."""
    found = _children(pid)
    for each in found:  # grows while those below are added
        found += _children(each)
    return found


def _children(pid: int) -> list[int]:
    try:
        with open(f"/proc/{pid}/task/{pid}/children", "rb") as file:
            return [int(each) for each in file.read().split()]
    except OSError:
        return []


def said(status: int) -> str:
    """Say how a process has ended."""
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        more = ", as when memory or time is used up" if name in ("SIGKILL", "SIGXCPU") else ""
        return f"was ended by {name}{more}"
    return f"ended with {os.waitstatus_to_exitcode(status)} and without a result"
