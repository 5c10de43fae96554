"""The fork server: a small process without threads and network sockets that forks supervisors.

Run as `python -I -m limpet.minion.workers.fork_server FD`; FD is its end of a socket pair to the
link. It has loaded what functions need, so that a fork is all that a job costs; it never runs one
itself. It ends when it has had no job for a while, or when the link is gone and no supervisor is
left.
"""

import gc
import importlib
import os
import select
import signal
import socket
import sys
import time
from contextlib import suppress
from functools import cache
from types import FrameType
from typing import Final

import msgspec

from limpet.common.control.framing import FramedSocket
from limpet.common.errors import PeerError
from limpet.minion.workers import process_table, supervisor
from limpet.minion.workers.fork_server_messages import (
    FRAME_BYTES_MAX,
    Abandon,
    FromForkServer,
    Held,
    NotHeld,
    Release,
    Spawn,
    WorkerSetup,
    encode,
    to_fork_server,
)

SLOW_S: Final = 0.3
"""A supervisor that got no scope, and that only after this time, waited for a hung systemd …"""
SCOPES_PAUSE_S: Final = 60.0
"""… which is not asked again for so long: each job would begin later."""
QUEUE_BYTES_MAX: Final = 256 * 1024
"""Answers are a few dozen bytes; a link that does not read them is hung and will be ended."""


class ForkServer:
    """The loop of the fork server."""

    def __init__(self, connection: socket.socket) -> None:
        self._link = FramedSocket(
            connection,
            read_bytes_max=FRAME_BYTES_MAX,
            write_bytes_max=FRAME_BYTES_MAX,
            queue_bytes_max=QUEUE_BYTES_MAX,
        )
        self._setup: WorkerSetup | None = None
        self._lines: dict[str, socket.socket] = {}
        """Its own ends of the lines to supervisors, by jid, until released or abandoned."""
        self._waiting: dict[int, str] = {}
        """Supervisors that have not said yet whether they hold: line descriptor to jid."""
        self._supervisors: dict[int, str] = {}
        """All living supervisors: pid to jid."""
        self._pids: dict[str, int] = {}
        self._wake_read, self._wake_write = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        self._begun_s: dict[str, float] = {}
        """When supervisors that have not said yet whether they hold were made."""
        self._scopes_from_s = 0.0
        """Before this (monotonic clock) supervisors ask for no scopes: systemd does not answer."""
        self._busy_s = time.monotonic()

    def run(self) -> None:
        """Serve until there is nothing left to do."""
        signal.set_wakeup_fd(self._wake_write, warn_on_full_buffer=False)
        signal.signal(signal.SIGCHLD, _only_wake)
        # Signals to the whole service are for link and supervisors; this ends with its work.
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        signal.signal(signal.SIGHUP, signal.SIG_IGN)
        while not self._is_done():
            self._turn()

    def _is_done(self) -> bool:
        if self._supervisors:
            self._busy_s = time.monotonic()
            return False
        idle_s = 60.0 if self._setup is None else self._setup.idle_s
        return self._link.is_closed or time.monotonic() - self._busy_s >= idle_s

    def _turn(self) -> None:
        poll = select.poll()
        poll.register(self._wake_read, select.POLLIN)
        if not self._link.is_closed:
            events = select.POLLIN | (select.POLLOUT if self._link.wants_write else 0)
            poll.register(self._link.fileno(), events)
        for line in self._waiting:
            poll.register(line, select.POLLIN)
        ready = {descriptor for descriptor, _ in poll.poll(1000)}
        if self._wake_read in ready:
            with suppress(BlockingIOError):
                os.read(self._wake_read, 4096)
        for line in ready & set(self._waiting):
            self._hear_supervisor(line)
        self._bury()
        if not self._link.is_closed and self._link.fileno() in ready:
            self._serve_link()
        if self._link.is_closed:  # seen above, or by an answer that did not leave any more
            self._let_held_go()

    def _serve_link(self) -> None:
        try:
            for payload in self._link.receive():
                self._obey(to_fork_server.decode(payload))
            self._link.flush()
        except (PeerError, msgspec.DecodeError) as error:
            os.write(2, f"limpet fork server: the link speaks nonsense: {error}\n".encode())
            self._link.close()

    def _let_held_go(self) -> None:
        """Without a link nobody will release what is still held; supervisors that run go on."""
        for jid in list(self._lines):
            self._lines.pop(jid).close()
        self._waiting.clear()
        self._begun_s.clear()

    def _obey(self, message: WorkerSetup | Spawn | Release | Abandon) -> None:
        self._busy_s = time.monotonic()
        if isinstance(message, WorkerSetup):
            self._setup = message
        elif isinstance(message, Spawn):
            self._spawn(message)
        elif message.jid in self._lines:
            line = self._lines.pop(message.jid)
            self._waiting.pop(line.fileno(), None)
            self._begun_s.pop(message.jid, None)
            if isinstance(message, Release):
                with suppress(OSError):  # the supervisor is gone: its end is told by its pid
                    line.send(b"!")
            line.close()

    def _spawn(self, job: Spawn) -> None:
        if self._setup is None or job.jid in self._pids:
            self._tell(NotHeld(job.jid, "the fork server has it already, or was not set up"))
            return
        if job.function.startswith("state."):
            _load_runner()
        try:
            ours, theirs = socket.socketpair()
        except OSError as error:
            self._tell(NotHeld(job.jid, f"cannot make a line to a supervisor: {error.strerror}"))
            return
        try:
            pid = os.fork()
        except OSError as error:
            ours.close()
            theirs.close()
            self._tell(NotHeld(job.jid, f"cannot fork: {error.strerror}"))
            return
        if pid == 0:
            setup = self._setup
            if time.monotonic() < self._scopes_from_s:
                setup = msgspec.structs.replace(setup, service_manager="")
            supervisor.supervise(job, setup, theirs.detach())
        theirs.close()
        self._begun_s[job.jid] = time.monotonic()
        self._lines[job.jid] = ours
        self._waiting[ours.fileno()] = job.jid
        self._supervisors[pid] = job.jid
        self._pids[job.jid] = pid

    def _hear_supervisor(self, line: int) -> None:
        """Pass on whether the supervisor holds its job."""
        jid = self._waiting.pop(line)
        connection = self._lines[jid]
        try:
            said = connection.recv(4096)
        except OSError:
            said = b""
        pid = self._pids.get(jid, 0)
        took_s = time.monotonic() - self._begun_s.pop(jid, 0.0)
        if said.startswith(supervisor.HELD):
            problem = said[len(supervisor.HELD) :].decode("utf-8", "replace").removeprefix(": ")
            if problem and took_s >= SLOW_S:
                self._scopes_from_s = time.monotonic() + SCOPES_PAUSE_S
            self._tell(Held(jid, pid, process_table.start_time(pid), problem))
            return
        self._lines.pop(jid).close()
        reason = said.decode("utf-8", "replace") or "the supervisor ended before it held the job"
        self._tell(NotHeld(jid, reason))

    def _bury(self) -> None:
        """Take leave of supervisors that have ended; of a killed one, end what it watched."""
        while True:
            try:
                ended = os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
            except ChildProcessError:
                return
            if ended is None:
                return
            pid = ended.si_pid
            if ended.si_code != os.CLD_EXITED or ended.si_status != 0:
                # Still a zombie, so the number of its session can't mean anybody else.
                for process in process_table.members(pid):
                    process_table.send(process, signal.SIGKILL)
            os.waitpid(pid, 0)
            jid = self._supervisors.pop(pid, None)
            if jid is not None:
                self._pids.pop(jid, None)

    def _tell(self, message: FromForkServer) -> None:
        if not self._link.send(encode(message)):
            self._link.close()


def _only_wake(_number: int, _frame: FrameType | None) -> None:
    """Handle a signal: its number is in the pipe already."""


def _load() -> None:
    """Import what jobs need, once, and keep the garbage collector from touching shared pages."""
    from limpet.states.functions import registry
    from limpet.states.host.machine import ThisMachine

    assert ThisMachine().commands  # the port that most jobs ask for
    registry.names()
    gc.collect()
    gc.freeze()


@cache
def _load_runner() -> None:
    """Import what runs states, when the first run comes: each later one begins so much sooner.

    What can't be loaded (an upgrade in mid-work) is left to the worker, which tells it as its end.
    """
    with suppress(Exception):
        for name in ("runner.applying", "runner.following", "library.file", "library.cmd"):
            importlib.import_module(f"limpet.states.{name}")
    gc.collect()
    gc.freeze()


def main() -> None:
    """Be the fork server; the only argument is the descriptor of its line to the link."""
    descriptor = int(sys.argv[1])
    os.closerange(descriptor + 1, 65536)  # whatever the link left open to its children
    os.set_inheritable(descriptor, False)
    with socket.socket(fileno=descriptor) as connection:
        _load()
        ForkServer(connection).run()


if __name__ == "__main__":
    main()
