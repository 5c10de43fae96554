"""`python -I -m limpet.master.pillar.workshop FD`: forks a process for each rendering of pillar.

It has loaded what rendering needs, and never renders itself: templates are the administrator's
code and may run for ever, eat memory or crash. What they do ends with the process that does it:

    Render ─ fork ─▶ running ─ whole report, ended ─────────────▶ Rendered
                             └ too long, too large, no report ─▶ killed ▶ Rendered (an error)

The descriptor of the line to the master is the only argument. It ends with that line, or when it
has had nothing to do for a while.
"""

import codecs
import ctypes
import gc
import mmap
import os
import resource
import select
import signal
import socket
import sys
import time
import traceback
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final, NoReturn

import msgspec

from limpet.common.control.framing import FramedSocket
from limpet.common.errors import PeerError
from limpet.common.service.logs import Level, Log
from limpet.master.pillar import rendering
from limpet.master.pillar.line import (
    AT_ONCE,
    LINE_BYTES_MAX,
    SETUP_BYTES_MAX,
    FromMaster,
    LineMessage,
    Ready,
    Render,
    Rendered,
    Setup,
)

_READ_BYTES: Final = 64 * 1024
_TURN_S_MAX: Final = 1.0
_PLACE_BYTES: Final = 4096
_GENERATIONS_MAX: Final = 100
_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36

_decoder: Final[msgspec.msgpack.Decoder[FromMaster]] = msgspec.msgpack.Decoder(FromMaster)
_report_decoder: Final[msgspec.msgpack.Decoder[Rendered]] = msgspec.msgpack.Decoder(Rendered)
_encoder: Final = msgspec.msgpack.Encoder()


@dataclass(slots=True)
class _Running:
    """One rendering and the process that does it."""

    asked: Render
    pid: int
    ended: int
    """A pidfd: readable when the process has ended."""
    report: int
    """The reading end of its pipe; -1: closed."""
    place: mmap.mmap
    """Shared with the process, which notes here which file it renders."""
    give_up_s: float
    """On the clock of `time.monotonic`."""
    data: bytearray = field(default_factory=bytearray)

    @property
    def file(self) -> str:
        """The file that is being rendered; empty: none yet."""
        noted: bytes = self.place[:_PLACE_BYTES]
        return noted.partition(b"\0")[0].decode("utf-8", "replace")


class Workshop:
    """The loop between the line and the processes that render."""

    def __init__(self, line: FramedSocket, log: Log) -> None:
        self._line = line
        self._log = log
        self._setup: Setup | None = None
        self._running: list[_Running] = []
        self._waiting: list[Render] = []
        self._busy_s = time.monotonic()

    def run(self) -> None:
        """Serve until the master is gone or there has been nothing to do for a while."""
        self._say(Ready())
        while not self._is_over():
            self._wait()
            self._hear()
            for each in list(self._running):
                self._follow(each)
            while self._waiting and len(self._running) < AT_ONCE:
                self._begin(self._waiting.pop(0))
            self._line.flush()
        for each in list(self._running):
            self._end(each)

    def _is_over(self) -> bool:
        if self._running or self._waiting or self._line.wants_write:
            self._busy_s = time.monotonic()
            return self._line.is_closed
        idle_s = 60.0 if self._setup is None else self._setup.idle_s
        return self._line.is_closed or time.monotonic() - self._busy_s >= idle_s

    def _wait(self) -> None:
        poll = select.poll()
        wanted = select.POLLIN | (select.POLLOUT if self._line.wants_write else 0)
        poll.register(self._line.fileno(), wanted)
        soonest = time.monotonic() + _TURN_S_MAX
        for each in self._running:
            poll.register(each.ended, select.POLLIN)
            if each.report >= 0:
                poll.register(each.report, select.POLLIN)
            soonest = min(soonest, each.give_up_s)
        poll.poll(max(0.0, soonest - time.monotonic()) * 1000 + 1)

    def _hear(self) -> None:
        try:
            for payload in self._line.receive():
                message = _decoder.decode(payload)
                if isinstance(message, Setup):
                    self._setup = message
                    self._log.level = Level(message.log_level)
                else:
                    self._waiting.append(message)
        except (PeerError, msgspec.DecodeError) as error:
            self._log.critical(f"the line to the master is broken: {error}")
            self._line.close()

    # -- one rendering ------------------------------------------------------------------------

    def _begin(self, asked: Render) -> None:
        assert self._setup is not None
        place = mmap.mmap(-1, _PLACE_BYTES)
        report_read, report_write = os.pipe()
        try:
            pid = os.fork()
        except OSError as error:
            os.close(report_read)
            os.close(report_write)
            place.close()
            self._say(rendering.failed(asked, f"no process can be started: {error.strerror}"))
            return
        if pid == 0:
            os.close(report_read)
            _render(self._setup, asked, report_write, place)
        os.close(report_write)
        os.set_blocking(report_read, False)
        give_up_s = time.monotonic() + self._setup.wall_s
        ended = os.pidfd_open(pid)
        self._running.append(_Running(asked, pid, ended, report_read, place, give_up_s))

    def _follow(self, each: _Running) -> None:
        """Take in what a rendering says, and end it if it has ended or has to."""
        assert self._setup is not None
        is_ended = bool(select.select([each.ended], [], [], 0)[0])
        is_large = not self._read(each)
        if is_large:
            self._fail(each, f"it says more than {self._setup.body_bytes_max} bytes")
        elif is_ended:
            self._finish(each)
        elif time.monotonic() >= each.give_up_s:
            self._fail(each, f"it took longer than {self._setup.wall_s:g} s")

    def _read(self, each: _Running) -> bool:
        """Read the report as far as it is there; False if it is larger than anything allowed."""
        assert self._setup is not None
        while each.report >= 0:
            try:
                data = os.read(each.report, _READ_BYTES)
            except BlockingIOError:
                break
            if not data:
                os.close(each.report)
                each.report = -1
                break
            each.data += data
            if len(each.data) > LINE_BYTES_MAX:
                return False
        return True

    def _finish(self, each: _Running) -> None:
        """Pass the report on; without one say how the process ended."""
        status = self._end(each)
        try:
            rendered = _report_decoder.decode(bytes(each.data))
        except (msgspec.DecodeError, UnicodeDecodeError):
            self._say(rendering.failed(each.asked, f"{self._at(each)}its process {_said(status)}"))
            return
        self._say(rendered)

    def _fail(self, each: _Running, why: str) -> None:
        self._end(each)
        self._say(rendering.failed(each.asked, f"{self._at(each)}{why} and was ended"))

    @staticmethod
    def _at(each: _Running) -> str:
        return f"while {each.file} was rendered: " if each.file else ""

    def _end(self, each: _Running) -> int:
        """End the process with all below it, bury it, and give its status."""
        for pid in (*_below(each.pid), each.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        _, status = os.waitpid(each.pid, 0)
        self._bury_orphans()
        os.close(each.ended)
        if each.report >= 0:
            os.close(each.report)
        self._running.remove(each)
        return status

    def _bury_orphans(self) -> None:
        """Bury what renderings left behind: it is this process's own by now.

        Each that ends may leave others, which are then this process's too.
        """
        own = {each.pid for each in self._running}
        for _ in range(_GENERATIONS_MAX):
            orphans = [pid for pid in _children(os.getpid()) if pid not in own]
            if not orphans:
                return
            for pid in orphans:
                with suppress(ProcessLookupError, ChildProcessError):
                    os.kill(pid, signal.SIGKILL)
                    os.waitpid(pid, 0)

    def _say(self, message: LineMessage) -> None:
        try:
            if not self._line.send(_encoder.encode(message)):
                self._line.close()  # a master that does not read is hung and will be ended
        except PeerError:
            assert isinstance(message, Rendered)
            asked = Render(message.number, "", b"")
            self._say(rendering.failed(asked, "it is too large to be handed over"))


def _render(setup: Setup, asked: Render, report: int, place: mmap.mmap) -> NoReturn:
    """Be the process that renders, from the fork to its end."""
    status = 70
    try:
        _become_renderer(setup, report)

        def note(path: str) -> None:
            data = path.encode("utf-8", "backslashreplace")[: _PLACE_BYTES - 1] + b"\0"
            place[: len(data)] = data

        try:
            rendered = rendering.render(setup, asked, note)
        except Exception as error:  # noqa: BLE001 - the boundary: told as the pillar's error
            at = place[:_PLACE_BYTES].partition(b"\0")[0].decode("utf-8", "replace")
            where = f"while {at} was rendered: " if at else ""
            rendered = rendering.failed(asked, f"{where}{_words(error)}")
        view = memoryview(_encoder.encode(rendered))
        while view:
            view = view[os.write(report, view) :]
        status = 0
    except BaseException:  # noqa: BLE001 - a forked process must never run its parent's code
        traceback.print_exc()
    finally:
        os._exit(status)


def _words(error: Exception) -> str:
    if isinstance(error, MemoryError):
        return "it needs more memory than is allowed"
    return f"{type(error).__name__}: {error}"[:500]


def _become_renderer(setup: Setup, report: int) -> None:
    """Take on the limits, and let go of everything that is the workshop's."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    os.setsid()
    for name in os.listdir("/proc/self/fd"):
        if int(name) > 2 and int(name) != report:
            with suppress(OSError):  # the one that listed them is closed already
                os.close(int(name))
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP, signal.SIGCHLD):
        signal.signal(number, signal.SIG_DFL)
    seconds = max(1, int(setup.wall_s) + 1)
    for kind, limit in (
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_CPU, seconds),
        (resource.RLIMIT_AS, setup.memory_bytes),
        (resource.RLIMIT_DATA, setup.memory_bytes),
    ):
        resource.setrlimit(kind, (limit, limit))


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


def _said(status: int) -> str:
    if os.WIFSIGNALED(status):
        name = signal.Signals(os.WTERMSIG(status)).name
        more = ", as when memory or time is used up" if name in ("SIGKILL", "SIGXCPU") else ""
        return f"was ended by {name}{more}"
    return f"ended with {os.waitstatus_to_exitcode(status)} and without a result"


def _load() -> None:
    """Import what renderings need, once, and keep the garbage collector off the shared pages."""
    import jinja2  # noqa: F401 - loaded for the processes that are forked
    import yaml  # noqa: F401

    from limpet.states.functions import registry

    for module in ("cmd", "grains", "pillar", "slsutil"):
        registry.functions_of(module)
    for encoding in ("utf-8-sig", "unicode_escape"):
        codecs.lookup(encoding)
    gc.collect()
    gc.freeze()


def main(words: list[str]) -> int:
    """Run the process: the descriptor of the line is the only argument."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the master ends it, by closing the line
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    connection = socket.socket(fileno=int(words[0]))
    os.set_inheritable(connection.fileno(), False)
    line = FramedSocket(
        connection,
        read_bytes_max=SETUP_BYTES_MAX,
        write_bytes_max=LINE_BYTES_MAX,
        queue_bytes_max=AT_ONCE * LINE_BYTES_MAX,
    )
    _load()
    Workshop(line, Log(identifier="limpet-pillar")).run()
    line.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
