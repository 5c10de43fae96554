"""A master for tests of the minion's daemon: real sockets on loopback, answers written by hand.

    master = ScriptedMaster()
    with MinionProcess(tmp_path, master) as minion:
        master.wait_ready()
        job = master.deliver("cmd.run", ["true"])
        returned = master.wait_for(Return)

One thread serves both ports; what the minion says is kept and can be waited for.
"""

import contextlib
import itertools
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from limpet.common.clock import SystemClock, to_micros
from limpet.common.crypto.keys import encode_base32
from limpet.common.identifiers import JobId
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest, EnrolStatus
from limpet.common.messages.fields import (
    ENROL_FRAME_BYTES_MAX,
    MINION_FRAME_BYTES_MAX,
    Message,
)
from limpet.common.messages.jobs import (
    BulkAck,
    BulkChunk,
    BulkOffer,
    Deliver,
    Return,
    ReturnAck,
)
from limpet.common.messages.session import (
    Beat,
    Hello,
    MasterBeat,
    Regreet,
    SyncAnswer,
    SyncPage,
    SyncVerdict,
    Welcome,
)
from limpet.common.transport.sockets import (
    Arrival,
    Authenticator,
    Context,
    PeerGone,
    Poller,
    RouterSocket,
    make_keypair,
    public_key_of,
)
from limpet.common.wire.codec import FromMinion, encode, enrol_request_decoder, master_decoder

M = TypeVar("M")
BEAT_S = 0.5
WAIT_S = 40.0
LIMPET = str(Path(sys.executable).with_name("limpet"))


class ScriptedMaster:
    """Accepts any key that `accepts` says yes to, and does what a healthy master does."""

    def __init__(self, *, accepts: bool = True, beat_s: float = BEAT_S) -> None:
        self.accepts = accepts
        self.beat_s = beat_s
        self.enrol_status: EnrolStatus = "pending"
        self.enrol_text = ""
        self.is_silent = False
        """True: says nothing at all any more."""
        self.acknowledges = True
        self.heard: list[Any] = []
        """All that minions said, in order."""
        self.public, self.secret = make_keypair()
        self.clock = SystemClock()
        self.session = 0
        self.port = 0
        self.enrol_port = 0
        self._peer = b""
        self._known_session = 0
        self._numbers = itertools.count(1)
        self._sessions = itertools.count(1000)
        self._jids = itertools.count(1)
        self._outgoing: list[Message] = []
        self._lock = threading.Lock()
        self._is_over = threading.Event()
        self._thread: threading.Thread | None = None
        self.start()

    # --- what a test does -----------------------------------------------------------------------

    def start(self) -> None:
        """Open the ports (again, on the same numbers)."""
        assert public_key_of(self.secret) == self.public
        self._is_over.clear()
        started = threading.Event()
        self._thread = threading.Thread(target=self._serve, args=(started,), daemon=True)
        self._thread.start()
        assert started.wait(WAIT_S)

    def stop(self) -> None:
        """Close the ports, as a killed master's are; sessions are forgotten."""
        self._is_over.set()
        if self._thread is not None:
            self._thread.join(WAIT_S)
            assert not self._thread.is_alive()
            self._thread = None

    def __enter__(self) -> "ScriptedMaster":
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def say(self, message: Message) -> None:
        """Send a message on the present connection."""
        with self._lock:
            self._outgoing.append(message)

    def deliver(self, function: str, positional: list[Any] | None = None, **more: object) -> JobId:
        """Deliver a job to the minion that is there."""
        job = JobId(str(more.pop("jid", f"{next(self._jids):026d}")))
        fields: dict[str, Any] = {
            "session": self.session,
            "jid": job,
            "function": function,
            "arguments": msgspec.msgpack.encode([positional or [], {}]),
            "expires_at": to_micros(self.clock.now().boot + 600),
            "job_timeout": 0,
            "is_streamed": False,
            "user": "root",
        }
        self.say(Deliver(**{**fields, **more}))
        return job

    def all(self, kind: type[M]) -> list[M]:
        """Give all messages of a kind that have come."""
        with self._lock:
            return [message for message in self.heard if isinstance(message, kind)]

    def wait_for(
        self,
        kind: type[M],
        is_it: Callable[[M], bool] = lambda message: True,
        *,
        within_s: float = WAIT_S,
    ) -> M:
        """Wait for a message of a kind. Raises `AssertionError` if none comes."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            for message in self.all(kind):
                if is_it(message):
                    return message
            time.sleep(0.01)
        names = [type(message).__name__ for message in self.heard[-20:]]
        raise AssertionError(f"no {kind.__name__} within {within_s} s; last heard: {names}")

    def wait_ready(self, sessions: int = 1, *, within_s: float = WAIT_S) -> None:
        """Wait until a session has beaten, for the n-th time since the start."""
        end = time.monotonic() + within_s
        while True:
            beating = {beat.session for beat in self.all(Beat)}
            if len(beating) >= sessions:
                return
            assert time.monotonic() < end, f"{len(beating)} sessions, not {sessions}"
            time.sleep(0.01)

    # --- the thread -----------------------------------------------------------------------------

    def _serve(self, started: threading.Event) -> None:
        context = Context()
        domains = {"main": lambda key, address: self.accepts, "enrol": lambda key, address: True}
        authenticator = Authenticator(context, domains)
        main = self._router(context, "main", MINION_FRAME_BYTES_MAX)
        enrol = self._router(context, "enrol", ENROL_FRAME_BYTES_MAX)
        self.port = main.bind(["127.0.0.1"], self.port)
        self.enrol_port = enrol.bind(["127.0.0.1"], self.enrol_port)
        poller = Poller()
        for thing in (main, enrol, authenticator):
            poller.register(thing)
        decoder = master_decoder()
        enrol_decoder = enrol_request_decoder()
        started.set()
        while not self._is_over.is_set():
            poller.wait(0.02)
            authenticator.serve()
            main.events()
            enrol.events()
            while (arrival := main.receive_ready()) is not None:
                self._hear(main, arrival, decoder.decode(arrival.frame))
            while (arrival := enrol.receive_ready()) is not None:
                self._enrol(enrol, arrival, enrol_decoder.decode(arrival.frame))
            with self._lock:
                outgoing, self._outgoing = self._outgoing, []
            for message in outgoing:
                self._send(main, self._peer, message)
        self._known_session = 0
        for socket in (main, enrol):
            socket.close()
        authenticator.close()
        context.close()

    def _router(self, context: Context, domain: str, bytes_max: int) -> RouterSocket:
        return RouterSocket(
            context,
            secret_key=self.secret,
            domain=domain,
            frame_bytes_max=bytes_max,
            backlog=64,
            high_water=1000,
            handshake_s=3.0,
        )

    def _send(self, router: RouterSocket, peer: bytes, message: Message) -> None:
        if self.is_silent or not peer:
            return
        with contextlib.suppress(PeerGone):
            router.send(peer, encode(message))

    def _hear(self, router: RouterSocket, arrival: Arrival, message: FromMinion) -> None:
        self._peer = arrival.peer
        with self._lock:
            self.heard.append(message)
        for reply in self._replies(message):
            self._send(router, arrival.peer, reply)

    def _replies(self, message: FromMinion) -> list[Message]:
        now = to_micros(self.clock.now().boot)
        if isinstance(message, Hello):
            self.session = self._known_session = next(self._sessions)
            return [self._welcome(message, now)]
        if message.session != self._known_session and not isinstance(message, Return):
            return [Regreet(message.session)]
        if isinstance(message, SyncPage):
            verdicts = tuple(
                SyncVerdict(entry.jid, "resend" if entry.state == "finished" else "adopt")
                for entry in message.entries
            )
            return [SyncAnswer(message.session, message.page, verdicts)]
        if isinstance(message, Beat):
            return [MasterBeat(message.session, next(self._numbers), message.number, now, 1)]
        if isinstance(message, Return) and self.acknowledges:
            return [ReturnAck(message.session, message.jid)]
        if isinstance(message, BulkOffer):
            return [BulkAck(message.session, message.jid, message.digest, 0)]
        if isinstance(message, BulkChunk):
            end = message.offset + len(message.data)
            return [BulkAck(message.session, message.jid, message.digest, end)]
        return []

    def _welcome(self, hello: Hello, now: int) -> Welcome:
        return Welcome(
            session=self.session,
            nonce=hello.nonce,
            protocol=1,
            version="1",
            minion_id="web1",
            beat_interval=to_micros(self.beat_s),
            fleet=1,
            store_id="scripted",
            store_commit=1,
            master_clock=now,
            wants_grains=not hello.grains_digest,
            remember=to_micros(3600),
            return_bytes_max=10_000_000,
        )

    def _enrol(self, router: RouterSocket, arrival: Arrival, request: EnrolRequest) -> None:
        with self._lock:
            self.heard.append(request)
        answer = EnrolAnswer(request.nonce, self.enrol_status, to_micros(1), self.enrol_text)
        self._send(router, arrival.peer, answer)


class MinionProcess:
    """`limpet minion` in a root of its own; the context manager leaves no process behind."""

    def __init__(self, folder: Path, master: ScriptedMaster, *, is_accepted: bool = True) -> None:
        self.root = folder / "minion"
        self.root.mkdir(mode=0o700, parents=True, exist_ok=True)
        self.log_path = folder / "minion.log"
        self.master = master
        master.enrol_status = "accepted" if is_accepted else "pending"
        (self.root / "minion.yaml").write_text(
            f"id: web1\nmaster: 127.0.0.1:{master.port}\nenrol_port: {master.enrol_port}\n"
            f"master_key: {encode_base32(master.public)}\n"
        )
        self.process: subprocess.Popen[bytes] | None = None
        self._jobs: set[int] = set()

    def start(self, program: list[str] | None = None) -> "MinionProcess":
        """Start it, by the command that users use or by another program."""
        command = program or [LIMPET, "--root", str(self.root), "minion"]
        kept = {k: v for k, v in os.environ.items() if not k.startswith("LIMPET_")}
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=kept,
            )
        return self

    @property
    def pid(self) -> int:
        """Give the pid; it stays the same over exec."""
        assert self.process is not None
        return self.process.pid

    def kill(self) -> None:
        """Kill -9 the link alone."""
        self._note_children()
        assert self.process is not None
        self.process.kill()
        self.process.wait(WAIT_S)

    def stop(self) -> int:
        """Ask it to end; gives the exit code."""
        self._note_children()
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(WAIT_S)

    def log(self) -> str:
        """Give all that it logged."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""

    def status(self) -> dict[str, Any]:
        """Read the status file."""
        data: dict[str, Any] = json.loads((self.root / "run/minion-status.json").read_text())
        return data

    def _note_children(self) -> None:
        if self.process is not None:
            self._jobs |= set(below(self.process.pid))

    def __enter__(self) -> "MinionProcess":
        return self.start()

    def __exit__(self, *_: object) -> None:
        if self.process is not None:
            self._note_children()
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.process.pid, signal.SIGCONT)
            self.process.kill()
            self.process.wait(WAIT_S)
        for pid in self._jobs:
            with contextlib.suppress(ProcessLookupError, FileNotFoundError):
                if b"limpet" in Path(f"/proc/{pid}/cmdline").read_bytes():
                    os.kill(pid, signal.SIGKILL)


def below(pid: int) -> list[int]:
    """List all processes below a process."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *below(int(child))]
    return found
