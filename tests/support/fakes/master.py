"""A master for tests of the client: a thread with a real Unix socket and a script of replies.

    with FakeMaster(tmp_path) as master:
        master.on(RunJob, stored("web1", status="running"), Pause(), update("web1"), ended())
        …
        master.go()          # lets the script pass a Pause

A script is used by the first request of its type; the last script of a type stays. `Cut` closes
the connection, `Hang` says nothing more, `Stop` closes the socket as well, as a killed master's
would be (stale: the path stays); `start` brings it back.
"""

import select
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from limpet.common.control.framing import REPLY_BYTES_MAX, REQUEST_BYTES_MAX, FrameReader, frame
from limpet.common.control.replies import (
    JobEnded,
    JobOutput,
    JobStored,
    JobUpdate,
    MinionResult,
    Reply,
    Status,
)
from limpet.common.control.requests import AnyRequest, Request

JID = "01JD3Z0VQ9A1B2C3D4E5F6G7H8"
CREATED_S = 1_764_000_000.0

_requests: msgspec.msgpack.Decoder[Any] = msgspec.msgpack.Decoder(AnyRequest)


class Cut:
    """Close this connection."""


class Hang:
    """Keep the connection and say nothing more on it."""


class Pause:
    """Wait for `go`."""


class Stop:
    """Close this connection and the listening socket, leaving its path, as `kill -9` does."""


@dataclass(frozen=True)
class Raw:
    """Bytes that are no frame."""

    data: bytes


Step = Reply | Cut | Hang | Pause | Stop | Raw
Script = tuple[Step | Callable[[Any], Reply], ...]


def result(
    minion: str,
    status: Status = "ok",
    value: object = True,
    *,
    error: str = "",
    retcode: int = 0,
    since_s: float = CREATED_S,
    is_cut: bool = False,
) -> MinionResult:
    """Make one minion's result; only `ok` and `failed` ones have a body."""
    has_body = status in ("ok", "failed") and value is not None
    return MinionResult(
        minion=minion,
        status=status,
        since_s=since_s,
        error=error,
        retcode=retcode,
        body=msgspec.msgpack.encode(value) if has_body else None,
        started_s=since_s,
        duration_s=0.5,
        is_cut=is_cut,
    )


def stored(*results: MinionResult, is_ended: bool = False, jid: str = JID) -> JobStored:
    """Make the reply that a job is stored."""
    return JobStored(
        jid=jid,
        function="test.ping",
        target="*",
        user="root",
        created_s=CREATED_S,
        results=results,
        is_ended=is_ended,
    )


def update(answer: MinionResult, jid: str = JID) -> JobUpdate:
    """Make an update."""
    return JobUpdate(jid, answer)


def output(minion: str, data: bytes, dropped_bytes: int = 0) -> JobOutput:
    """Make a piece of live output."""
    return JobOutput(JID, minion, data, dropped_bytes)


def ended(jid: str = JID) -> JobEnded:
    """Make the last reply about a job."""
    return JobEnded(jid)


class FakeMaster:
    """Listens at DIR/run/master.sock. A context manager; every thread ends with it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.path = root / "run" / "master.sock"
        self.requests: list[Any] = []
        """All requests that have come, in order."""
        self.connections = 0
        """How many connections have been taken."""
        self._scripts: dict[type[Request], list[Script]] = {}
        self._lock = threading.Lock()
        self._gate = threading.Semaphore(0)
        self._is_over = threading.Event()
        self._listener: socket.socket | None = None
        self._threads: list[threading.Thread] = []
        (root / "run").mkdir(mode=0o750, exist_ok=True)

    def on(self, request: type[Request], *script: Step | Callable[[Any], Reply]) -> None:
        """Add a script for a type of request."""
        self._scripts.setdefault(request, []).append(script)

    def go(self) -> None:
        """Let one script pass one pause."""
        self._gate.release()

    def start(self) -> None:
        """Listen (again)."""
        self.path.unlink(missing_ok=True)
        listener = socket.socket(socket.AF_UNIX)
        listener.bind(str(self.path))
        listener.listen(16)
        self._listener = listener
        self._spawn(self._accept, listener)

    def stop(self) -> None:
        """Stop listening, as a killed master does; connections stay until their script ends."""
        listener, self._listener = self._listener, None
        if listener is not None:
            listener.shutdown(socket.SHUT_RDWR)

    def __enter__(self) -> "FakeMaster":
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        for _turn in range(100):
            self._gate.release()
        self.stop()
        for thread in self._threads:
            thread.join(5)
            assert not thread.is_alive()

    def _spawn(self, work: Callable[..., None], *arguments: object) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self, listener: socket.socket) -> None:
        with listener:
            while True:
                try:
                    connection, _ = listener.accept()
                except OSError:
                    return
                self.connections += 1
                self._spawn(self._serve, connection)

    def _serve(self, connection: socket.socket) -> None:
        reader = FrameReader(REQUEST_BYTES_MAX)
        with connection:
            while not self._is_over.is_set():
                if not select.select([connection], [], [], 0.05)[0]:
                    continue
                try:
                    data = connection.recv(65536)
                except OSError:
                    return
                if not data:
                    return
                for payload in reader.feed(data):
                    if not self._answer(connection, _requests.decode(payload)):
                        return

    def _answer(self, connection: socket.socket, request: Request) -> bool:
        with self._lock:
            self.requests.append(request)
            scripts = self._scripts[type(request)]
            script = scripts.pop(0) if len(scripts) > 1 else scripts[0]
        for step in script:
            if isinstance(step, Pause):
                self._gate.acquire(timeout=30)
            elif isinstance(step, Cut):
                return False
            elif isinstance(step, Stop):
                self.stop()
                return False
            elif isinstance(step, Hang):
                self._is_over.wait(30)
                return False
            else:
                try:
                    connection.sendall(_bytes_of(step, request))
                except OSError:
                    return False
        return True


def _bytes_of(step: Raw | Reply | Callable[[Any], Reply], request: Request) -> bytes:
    if isinstance(step, Raw):
        return step.data
    reply = step if isinstance(step, Reply) else step(request)
    return frame(msgspec.msgpack.encode(reply), bytes_max=REPLY_BYTES_MAX)
