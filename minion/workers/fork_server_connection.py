"""The link's line to its fork server: makes it when it is needed, notices when it is gone."""

import os
import signal
import socket
import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import Final

import msgspec

from limpet.common.control.framing import FramedSocket
from limpet.common.errors import HostError, PeerError
from limpet.minion.workers.fork_server_messages import (
    FRAME_BYTES_MAX,
    FromForkServer,
    ToForkServer,
    WorkerSetup,
    encode,
    from_fork_server,
)

QUEUE_BYTES_MAX: Final = 8 * 1024 * 1024
"""Spawns that it has not read yet: more than can wait at all, each with its arguments."""
KEPT_VARIABLES: Final = (
    "PATH",
    "HOME",
    "USER",
    "LOGNAME",
    "SHELL",
    "TZ",
    "TMPDIR",
    "SSL_CERT_FILE",
)
PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
PROGRAM: Final = ("-I", "-m", "limpet.minion.workers.fork_server")
_CHILD_FD: Final = 3


class ForkServerConnection:
    """At most one living fork server."""

    def __init__(self, setup: WorkerSetup, program: Sequence[str]) -> None:
        self._setup = setup
        self._program = program
        self._pid = 0
        self._framed: FramedSocket | None = None
        self._buried: list[int] = []
        """Fork servers that were let go and are not reaped yet."""
        self.has_ended = False
        """A fork server ended since `take_end` was last called."""

    @property
    def pid(self) -> int:
        """The pid of the fork server; 0: there is none."""
        return self._pid

    def filenos(self) -> tuple[int, ...]:
        """Give what to poll for reading."""
        return () if self._framed is None else (self._framed.fileno(),)

    def wants_write(self) -> tuple[int, ...]:
        """Give what to poll for writing as well."""
        if self._framed is None or not self._framed.wants_write:
            return ()
        return (self._framed.fileno(),)

    def send(self, message: ToForkServer) -> None:
        """Send, starting a fork server first if there is none. Raises `HostError` if it can't."""
        if self._framed is None:
            self._start()
        self.send_if_open(message)

    def send_if_open(self, message: ToForkServer) -> None:
        """Send if there is a fork server; one that does not read what it is sent is ended."""
        if self._framed is not None and not self._framed.send(encode(message)):
            self.kill()

    def receive(self) -> list[FromForkServer]:
        """Give what it said; sets `has_ended` if it is gone, which is nothing bad."""
        messages: list[FromForkServer] = []
        if self._framed is not None:
            try:
                messages = [from_fork_server.decode(data) for data in self._framed.receive()]
                self._framed.flush()
            except (PeerError, msgspec.DecodeError):
                self.kill()
        if self._framed is not None and self._framed.is_closed:
            self._let_go()
        self._reap()
        return messages

    def take_end(self) -> bool:
        """Say once whether a fork server has ended."""
        had_ended, self.has_ended = self.has_ended, False
        return had_ended

    def kill(self) -> None:
        """End a fork server that does not behave; its supervisors live on."""
        if self._framed is not None:
            with suppress(ProcessLookupError):
                os.kill(self._pid, signal.SIGKILL)
            self._let_go()

    def close(self) -> None:
        """Hang up. The fork server ends by itself when no supervisor is left."""
        if self._framed is not None:
            self._let_go()
        self._reap()

    def _start(self) -> None:
        ours, theirs = socket.socketpair()
        command = [sys.executable, *self._program, str(_CHILD_FD)]
        try:
            with theirs, open("/dev/null", "r+b", buffering=0) as null:
                self._pid = os.posix_spawn(
                    sys.executable,
                    command,
                    clean_environment(),
                    file_actions=[
                        (os.POSIX_SPAWN_DUP2, null.fileno(), 0),
                        (os.POSIX_SPAWN_DUP2, null.fileno(), 1),
                        (os.POSIX_SPAWN_DUP2, theirs.fileno(), _CHILD_FD),
                    ],
                    setpgroup=0,
                    setsigmask=(),
                    setsigdef=(signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
                )
        except OSError as error:
            ours.close()
            raise HostError(f"cannot start the fork server: {error.strerror}") from error
        self._framed = FramedSocket(
            ours,
            read_bytes_max=FRAME_BYTES_MAX,
            write_bytes_max=FRAME_BYTES_MAX,
            queue_bytes_max=QUEUE_BYTES_MAX,
        )
        self._framed.send(encode(self._setup))

    def _let_go(self) -> None:
        assert self._framed is not None
        self._framed.close()
        self._framed = None
        self._buried.append(self._pid)
        self._pid = 0
        self.has_ended = True

    def _reap(self) -> None:
        """Take the exit status of fork servers that have ended; one with jobs still lives."""
        left: list[int] = []
        for pid in self._buried:
            try:
                ended, _ = os.waitpid(pid, os.WNOHANG)
            except ChildProcessError:
                continue
            if ended == 0:
                left.append(pid)
        self._buried = left


def clean_environment() -> dict[str, str]:
    """Give the environment of jobs: the same on every host, whatever started the minion."""
    kept = {name: os.environ[name] for name in KEPT_VARIABLES if name in os.environ}
    return {"PATH": PATH, "HOME": "/root"} | kept | {"LANG": "C.UTF-8", "LC_ALL": "C.UTF-8"}
