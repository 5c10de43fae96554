"""The asking side of the running minion's Unix socket: `limpet call`, and jobs that ask about jobs.

Blocks, never longer than told; every failure is one `HostError` that says what to do.
"""

import os
import socket
import time
from contextlib import suppress
from pathlib import Path
from types import TracebackType
from typing import Final, Self

import msgspec

from limpet.common.control.framing import REQUEST_BYTES_MAX, FrameReader, frame
from limpet.common.errors import HostError, PeerError
from limpet.minion.control.connections import connect
from limpet.minion.control.messages import (
    LOCAL_REPLY_BYTES_MAX,
    AnyLocalReply,
    AnyLocalRequest,
    AskRunning,
    KillLocal,
    LocalDone,
    LocalFile,
    LocalJobs,
    LocalKilled,
    LocalRefused,
    RefreshGrains,
)
from limpet.states.context import RunningJob

ANSWER_S: Final = 5.0
"""The link answers questions at once; one that does not is hung or stopped."""

_encoder: Final = msgspec.msgpack.Encoder()
_decoder: Final[msgspec.msgpack.Decoder[AnyLocalReply]] = msgspec.msgpack.Decoder(AnyLocalReply)


class LocalClient:
    """One connection to the minion that runs on this host; close it, or use it in a `with`."""

    def __init__(self, path: Path) -> None:
        """Connect. Raises `HostError` where no minion listens, or somebody else does."""
        self._path = path
        self._connection = connect(path, ANSWER_S)
        self._reader = FrameReader(LOCAL_REPLY_BYTES_MAX)
        self._replies: list[AnyLocalReply] = []
        self._descriptors: list[int] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self.close()

    def ask(self, request: AnyLocalRequest, *, wait_s: float = ANSWER_S) -> AnyLocalReply:
        """Send a request and wait for its first reply. Raises `HostError`."""
        self.send(request)
        return self.reply(wait_s)

    def send(self, request: AnyLocalRequest) -> None:
        """Send a request. Raises `HostError`."""
        try:
            self._connection.settimeout(ANSWER_S)
            data = frame(_encoder.encode(request), bytes_max=REQUEST_BYTES_MAX)
            self._connection.sendall(data)
        except (OSError, PeerError) as error:
            raise self._lost(str(error)) from error

    def reply(self, wait_s: float | None) -> AnyLocalReply:
        """Wait for the next reply; None: as long as the connection lives. Raises `HostError`."""
        end = None if wait_s is None else time.monotonic() + wait_s
        while not self._replies:
            self._receive(end)
        return self._replies.pop(0)

    def take_file(self) -> int:
        """Give the file that came with the last reply, now the caller's to close; -1: none."""
        return self._descriptors.pop(0) if self._descriptors else -1

    def close(self) -> None:
        """Close the connection and files that nobody took."""
        self._connection.close()
        while self._descriptors:
            os.close(self._descriptors.pop())

    def _receive(self, end: float | None) -> None:
        try:
            self._connection.settimeout(None if end is None else max(0.001, end - time.monotonic()))
            data, descriptors, _, _ = socket.recv_fds(self._connection, 64 * 1024, 1)
            for descriptor in descriptors:
                os.set_inheritable(descriptor, False)
                self._descriptors.append(descriptor)
            if not data:
                raise self._lost("it closed the connection; it may be restarting")
            replies = [_decoder.decode(payload) for payload in self._reader.feed(data)]
            self._replies += [reply for reply in replies if not isinstance(reply, LocalFile)]
        except TimeoutError as error:
            raise self._lost("no answer in time: see `limpet doctor` or its log") from error
        except (OSError, PeerError, msgspec.DecodeError, UnicodeDecodeError) as error:
            raise self._lost(str(error)) from error

    def _lost(self, reason: str) -> HostError:
        return HostError(f"the minion at {self._path} did not answer: {reason}")


class JobsOfMinion:
    """What a job may ask about the minion's jobs; a connection for each question.

    The real one behind `limpet.states.context.RunningJobs`.
    """

    def __init__(self, path: Path) -> None:
        self._path = path

    def running(self) -> list[RunningJob]:
        """List the jobs that run now, the asking one included. Raises `HostError`."""
        reply = self._ask(AskRunning())
        if not isinstance(reply, LocalJobs):
            raise HostError(f"the minion gave no list of its jobs but {reply!r}")
        return [
            RunningJob(
                jid=job.jid,
                function=job.function,
                pid=job.pid,
                user=job.user,
                arguments=_positional(job.arguments),
                started_wall_s=job.started_wall_s,
            )
            for job in reply.jobs
        ]

    def kill(self, jid: str) -> bool:
        """End a job's whole process tree; False: no such job runs here. Raises `HostError`."""
        if not any(job.jid == jid for job in self.running()):
            return False
        reply = self._ask(KillLocal(jid))
        return isinstance(reply, LocalKilled) and reply.verdict != "finished"

    def refresh_grains(self) -> None:
        """Have the link collect the grains again and tell the master. Raises `HostError`."""
        reply = self._ask(RefreshGrains())
        if not isinstance(reply, LocalDone):
            raise HostError(f"the minion did not begin to collect its grains but said {reply!r}")

    def _ask(self, request: AnyLocalRequest) -> AnyLocalReply:
        with LocalClient(self._path) as client:
            reply = client.ask(request)
        if isinstance(reply, LocalRefused):
            raise HostError(reply.text)
        return reply


def _positional(arguments: bytes) -> tuple[object, ...]:
    """Give the positional arguments and, as Salt shows them, the keywords in one mapping."""
    with suppress(msgspec.DecodeError, UnicodeDecodeError):
        decoded = msgspec.msgpack.decode(arguments)
        if isinstance(decoded, list) and len(decoded) == 2 and isinstance(decoded[0], list):
            return (*decoded[0], *([decoded[1]] if decoded[1] else []))
    return ()
