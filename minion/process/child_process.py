"""A child process that is given something on stdin, answers on stdout, and ends.

Heavy libraries live only there, and only for as long as the answer takes. The loop is never held:
the child has a limit on its time and on the size of its answer, and is ended at either.
"""

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from typing import Final, NamedTuple

from limpet.common.clock import Instant, Moment
from limpet.common.errors import HostError
from limpet.minion.workers.fork_server_connection import clean_environment

STDIN_BYTES_MAX: Final = 16 * 1024
"""Fits any pipe, so that writing it never waits."""
REAP_S: Final = 0.05
"""How often a child that has said all is looked for."""
DYING_S: Final = 0.5
"""How long a child that was killed is waited for; the kernel may hold it for ever."""
DYING_MAX: Final = 8
"""With so many that hang in the kernel no further one is started."""


class Answer(NamedTuple):
    """What the child said, or why that is of no use."""

    data: bytes
    problem: str


class ShortChild:
    """One such child, from its start to its answer."""

    def __init__(
        self,
        now: Moment,
        command: Sequence[str],
        *,
        name: str,
        limit_s: float,
        bytes_max: int,
        stdin: bytes = b"",
    ) -> None:
        """Start it. `name` is for messages. Raises `HostError` if it can't be started."""
        assert len(stdin) <= STDIN_BYTES_MAX
        self._name = name
        self._limit_s = limit_s
        self._bytes_max = bytes_max
        self._data = bytearray()
        self._is_read = False
        self.deadline: Instant = now.after(limit_s)
        """When `collect` is wanted, whatever comes."""
        self._give_up = self.deadline
        if len(_still_dying()) >= DYING_MAX:
            raise HostError(f"{name} is not started: {DYING_MAX} before it hang in the kernel")
        try:
            self._pid, self._reader = _start(command, stdin)
        except OSError as error:
            raise HostError(f"{name} can't be started: {error.strerror}") from error

    def fileno(self) -> int:
        """Give what to poll for reading."""
        return self._reader

    def collect(self, now: Moment) -> Answer | None:
        """Give the answer once it is whole, or too late, or too long; then all is cleaned up."""
        self._read()
        if len(self._data) > self._bytes_max:
            return self._end(b"", f"{self._name} gave more than {self._bytes_max} bytes")
        if self._is_read:
            ended, status = os.waitpid(self._pid, os.WNOHANG)
            if ended:
                self._pid = 0
                code = os.waitstatus_to_exitcode(status)
                problem = "" if code == 0 else f"{self._name} ended with code {code}"
                return self._end(bytes(self._data), problem)
            self.deadline = min(self._give_up, now.after(REAP_S))
        if now.boot >= self._give_up:
            return self._end(b"", f"timeout: {self._name} took more than {self._limit_s:g} s")
        return None

    def close(self) -> None:
        """End the child, with all in its process group, and forget it. Again: nothing happens."""
        if self._reader >= 0:
            os.close(self._reader)
            self._reader = -1
        if self._pid:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(self._pid, signal.SIGKILL)
            _bury(self._pid)
            self._pid = 0

    def _read(self) -> None:
        while not self._is_read and len(self._data) <= self._bytes_max:
            try:
                piece = os.read(self._reader, 64 * 1024)
            except BlockingIOError:
                return
            self._data += piece
            self._is_read = not piece

    def _end(self, data: bytes, problem: str) -> Answer:
        self.close()
        return Answer(data, problem)


_dying: Final[list[int]] = []
"""Children that were killed and have not ended: a dead disk holds them in the kernel."""


def _bury(pid: int) -> None:
    """Reap a child that was killed, and those of before; one that can't die is left for later."""
    _dying.append(pid)
    until = time.monotonic() + DYING_S
    while pid in _still_dying() and time.monotonic() < until:
        time.sleep(0.001)


def _still_dying() -> list[int]:
    """Reap those that have ended; give the others."""
    _dying[:] = [pid for pid in _dying if not _has_ended(pid)]
    return _dying


def _has_ended(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True


def _start(command: Sequence[str], stdin: bytes) -> tuple[int, int]:
    """Start the program; gives its pid and the reading end of its stdout."""
    child_in, own_in = os.pipe2(os.O_CLOEXEC)
    try:
        own_out, child_out = os.pipe2(os.O_CLOEXEC)
    except OSError:
        os.close(child_in)
        os.close(own_in)
        raise
    try:
        os.write(own_in, stdin)
        pid = os.posix_spawn(
            command[0],
            list(command),
            clean_environment(),
            file_actions=[
                (os.POSIX_SPAWN_DUP2, child_in, 0),
                (os.POSIX_SPAWN_DUP2, child_out, 1),
            ],
            setpgroup=0,
            setsigmask=(),
            setsigdef=(signal.SIGPIPE, signal.SIGTERM, signal.SIGINT, signal.SIGHUP),
        )
    except OSError:
        os.close(own_out)
        raise
    finally:
        os.close(own_in)
        os.close(child_in)
        os.close(child_out)
    os.set_blocking(own_out, False)
    return pid, own_out
