"""The process that renders: forked from the fork server, given one minion's question after another.

It answers each with a whole report and ends when its line does. Before code runs that can do
anything to it, it says that it is to be given nothing more; so it does after anything went wrong.
"""

import ctypes
import mmap
import os
import resource
import signal
import socket
import traceback
from contextlib import suppress
from typing import Final, NoReturn

import msgspec

from limpet.common.control.framing import FrameReader, frame
from limpet.master.pillar.io import rendering
from limpet.master.pillar.messages import (
    GIVEN_BYTES_MAX,
    LIFE_S,
    LINE_BYTES_MAX,
    Given,
    Last,
    LineMessage,
    OfItsOwn,
    Rendered,
    Setup,
)

PLACE_BYTES: Final = 4096
"""Of the memory in which the process notes the file that it renders."""
GROWTH_BYTES_MAX: Final = 64 * 1024 * 1024
"""A process that has grown by more renders for nobody else, so each has the same limit."""
PR_SET_PDEATHSIG: Final = 1
_READ_BYTES: Final = 64 * 1024

_decoder: Final[msgspec.msgpack.Decoder[Given]] = msgspec.msgpack.Decoder(Given)
_setup_decoder: Final[msgspec.msgpack.Decoder[Setup]] = msgspec.msgpack.Decoder(Setup)
_encoder: Final = msgspec.msgpack.Encoder()


def serve(setup: bytes, connection: socket.socket, place: mmap.mmap) -> NoReturn:
    """Be the process that renders, from the fork to its end."""
    status = 70
    try:
        _become_renderer(_setup_decoder.decode(setup), connection.fileno())
        connection.setblocking(True)
        _Renderer(setup, connection, place).run()
        status = 0
    except BaseException:  # noqa: BLE001 - a forked process must never run its parent's code
        traceback.print_exc()
    finally:
        os._exit(status)


class _Renderer:
    """The loop between questions and reports."""

    def __init__(self, setup: bytes, connection: socket.socket, place: mmap.mmap) -> None:
        self._connection = connection
        self._place = place
        self._reader = FrameReader(GIVEN_BYTES_MAX)
        self._began_bytes = _address_space()
        self._is_last = False
        self._renderings = rendering.Renderings(setup, self._note, self._say_last)

    def run(self) -> None:
        """Answer what is asked, until the line ends or this process is of no more use."""
        while not self._is_last and (given := self._next()) is not None:
            try:
                rendered = self._rendered(given)
            except rendering.Elsewhere:
                self._say(OfItsOwn())
                return
            if not self._is_last and (rendered.has_errors or self._has_grown()):
                self._say_last()
            self._say(rendered)

    def _say_last(self) -> None:
        self._is_last = True
        self._say(Last())

    def _has_grown(self) -> bool:
        return _address_space() - self._began_bytes > GROWTH_BYTES_MAX

    def _rendered(self, given: Given) -> Rendered:
        try:
            return self._renderings.render(given)
        except Exception as error:  # noqa: BLE001 - the boundary: told as the pillar's error
            at = noted(self._place)
            where = f"while {at} was rendered: " if at else ""
            return rendering.failed(given.asked, f"{where}{_words(error)}")

    def _note(self, path: str) -> None:
        data = path.encode("utf-8", "backslashreplace")[: PLACE_BYTES - 1] + b"\0"
        self._place[: len(data)] = data

    def _next(self) -> Given | None:
        while data := self._connection.recv(_READ_BYTES):
            for payload in self._reader.feed(data):
                return _decoder.decode(payload)  # one is under way at a time
        return None

    def _say(self, message: LineMessage) -> None:
        self._connection.sendall(frame(_encoder.encode(message), bytes_max=LINE_BYTES_MAX))


def noted(place: mmap.mmap) -> str:
    """Give the file that a process has noted; empty: none yet."""
    data: bytes = place[:PLACE_BYTES]
    return data.partition(b"\0")[0].decode("utf-8", "replace")


def _words(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "it needs more memory than is allowed"
    return f"{type(error).__name__}: {error}"[:500]


def _become_renderer(setup: Setup, line: int) -> None:
    """Take on the limits, and let go of everything that is the fork server's."""
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setsid()
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != line:
            with suppress(OSError):  # the one that listed them is closed already
                os.close(int(name))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    seconds = max(1, int(setup.wall_s + LIFE_S) + 1)
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, setup.memory_bytes),
        (resource.RLIMIT_DATA, setup.memory_bytes),
    ):
        resource.setrlimit(kind, (limit, limit))


def _address_space() -> int:
    with open("/proc/self/statm", "rb") as file:
        return int(file.read().split()[0]) * resource.getpagesize()
