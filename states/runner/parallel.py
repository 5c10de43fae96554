"""`parallel: True`: states in processes of their own, forked from the run.

A child does one state and hands its result over through a pipe; it ends with the run. What it has
learned beside that (accumulators, reloaded grains) is lost, as in Salt.
"""

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

import msgspec

from limpet.common.errors import HostError

_PIECE_BYTES: Final = 64 * 1024
_RESULT_BYTES_MAX: Final = 64 * 1024 * 1024
_WAIT_S: Final = 1.0
_GENTLE_S: Final = 2.0

Work = Callable[[], dict[str, Any]]


def _nothing() -> None:
    """Do nothing when a work starts."""


@dataclass(slots=True)
class _Child:
    pid: int
    reader: int
    pieces: list[bytes] = field(default_factory=list)
    size: int = 0


class ParallelRuns:
    """The states that run beside the others now. `close` ends those that are still running."""

    def __init__(self, at_most: int = 0) -> None:
        self._at_most = at_most
        self._waiting: dict[str, tuple[Work, Callable[[], None]]] = {}
        self._children: dict[str, _Child] = {}

    def start(self, tag: str, work: Work, on_start: Callable[[], None] = _nothing) -> None:
        """Start the work in a process of its own, now or when there is room for it.

        `on_start` is called just before it is.
        """
        self._waiting[tag] = (work, on_start)
        self._start_waiting()

    def is_running(self, tag: str) -> bool:
        """Say whether the state has not been collected yet."""
        return tag in self._children or tag in self._waiting

    def collect(self, *, wait_s: float = 0.0) -> dict[str, dict[str, Any]]:
        """Give the results that have come, waiting at most so long for the first."""
        self._start_waiting()
        by_reader = {child.reader: tag for tag, child in self._children.items()}
        ready, _, _ = select.select(list(by_reader), [], [], wait_s if by_reader else 0.0)
        found: dict[str, dict[str, Any]] = {}
        for reader in ready:
            tag = by_reader[reader]
            child = self._children[tag]
            piece = os.read(reader, _PIECE_BYTES)
            child.size += len(piece)
            if piece and child.size <= _RESULT_BYTES_MAX:
                child.pieces.append(piece)
            elif not piece:
                found[tag] = self._finished(tag)
        self._start_waiting()
        return found

    def wait(self, tags: Iterable[str]) -> dict[str, dict[str, Any]]:
        """Give all results that have come when those of `tags` are there.

        As long as a state takes: its own limits and the job's end it.
        """
        wanted = set(tags)
        found: dict[str, dict[str, Any]] = {}
        while any(self.is_running(tag) for tag in wanted):
            found |= self.collect(wait_s=_WAIT_S)
        return found

    def everything(self) -> list[str]:
        """Name what has not been collected yet."""
        return [*self._children, *self._waiting]

    def close(self) -> None:
        """End what still runs, gently and then by force."""
        self._waiting.clear()
        for child in self._children.values():
            with contextlib.suppress(ProcessLookupError):
                os.kill(child.pid, signal.SIGTERM)
        deadline = time.monotonic() + _GENTLE_S
        for child in self._children.values():
            os.close(child.reader)
            while not _is_reaped(child.pid):
                if time.monotonic() > deadline:
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(child.pid, signal.SIGKILL)
                time.sleep(0.01)
        self._children.clear()

    def _start_waiting(self) -> None:
        while self._waiting and not 0 < self._at_most <= len(self._children):
            tag = next(iter(self._waiting))
            work, on_start = self._waiting.pop(tag)
            on_start()
            self._children[tag] = _fork(work)

    def _finished(self, tag: str) -> dict[str, Any]:
        child = self._children.pop(tag)
        os.close(child.reader)
        _, status = os.waitpid(child.pid, 0)  # it has closed its end: it is as good as gone
        try:
            found = msgspec.msgpack.decode(b"".join(child.pieces))
        except msgspec.DecodeError:
            found = None
        if isinstance(found, dict):
            return found
        ended = os.waitstatus_to_exitcode(status)
        return {
            "result": False,
            "changes": {},
            "comment": f"Parallel process failed to return (it ended with {ended})",
        }


def _fork(work: Work) -> _Child:
    reader, writer = os.pipe()
    try:
        pid = os.fork()
    except OSError as error:
        os.close(reader)
        os.close(writer)
        raise HostError(f"cannot start a process for a parallel state: {error.strerror}") from error
    if pid == 0:
        os.close(reader)
        _serve(writer, work)
    os.close(writer)
    return _Child(pid, reader)


def _serve(writer: int, work: Work) -> NoReturn:
    """Do the work in the child and end it; nothing of the parent's is cleaned up by it."""
    status = 1
    try:
        signal.signal(signal.SIGTERM, signal.SIG_DFL)
        data = memoryview(msgspec.msgpack.encode(work(), enc_hook=str))
        while data:
            data = data[os.write(writer, data) :]
        status = 0
    finally:
        os._exit(status)


def _is_reaped(pid: int) -> bool:
    try:
        return os.waitpid(pid, os.WNOHANG)[0] != 0
    except ChildProcessError:
        return True
