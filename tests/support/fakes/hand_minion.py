"""A minion moved by hand over real sockets: a test says what it says, and sees what it is told."""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TypeVar

from limpet.common.clock import SystemClock
from limpet.common.control.packages import PackageReply
from limpet.common.control.replies import AnyReply
from limpet.common.control.requests import Request
from limpet.common.crypto.keys import decode_key
from limpet.common.identifiers import MinionKey
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest
from limpet.common.messages.fields import (
    ENROL_FRAME_BYTES_MAX,
    MAIN_FRAME_BYTES_MAX,
    MINION_FRAME_BYTES_MAX,
    Message,
)
from limpet.common.messages.jobs import Accepted, Return
from limpet.common.messages.session import Hello, SyncAnswer, SyncPage, Welcome
from limpet.common.transport.events import LinkEvent
from limpet.common.transport.sockets import Context, DealerSocket, make_keypair
from limpet.common.wire.codec import encode, enrol_answer_decoder, minion_decoder
from limpet.master.client.connection import Connection

PATIENCE_S = 20.0

M = TypeVar("M", bound=Message)


class HandMinion:
    """One key, and at most one connection to each port at a time."""

    def __init__(self, context: Context, root: Path, name: str = "web1") -> None:
        self.context = context
        self.root = root
        self.name = name
        self.public, self.secret = make_keypair()
        self.key = MinionKey(self.public.hex())
        self.main: DealerSocket | None = None
        self.session = 0
        self.boot_id = os.urandom(16).hex()
        self.journal_id = os.urandom(16).hex()
        self.events: list[LinkEvent] = []
        self.told: list[Message] = []
        self._decoder = minion_decoder()

    def dial(self, port: int, *, is_enrolling: bool = False) -> DealerSocket:
        """Begin to connect."""
        public_file = next(self.root.rglob("master.public"))
        bounds = (ENROL_FRAME_BYTES_MAX, ENROL_FRAME_BYTES_MAX)
        if not is_enrolling:
            bounds = (MAIN_FRAME_BYTES_MAX, MINION_FRAME_BYTES_MAX)
        return DealerSocket(
            self.context,
            address="127.0.0.1",
            port=port,
            server_key=decode_key(public_file.read_bytes()),
            public_key=self.public,
            secret_key=self.secret,
            frame_bytes_max=bounds[0],
            send_bytes_max=bounds[1],
            handshake_s=3.0,
        )

    def enrol_request(self) -> EnrolRequest:
        """Make a request without a token."""
        stamp = int(time.time() * 1e6)
        return EnrolRequest(1, 1, "0.1.0", self.name, os.urandom(16), stamp, "", b"")

    def enrol(self, port: int, within_s: float = PATIENCE_S) -> EnrolAnswer:
        """Ask on the enrolment port until there is an answer."""
        deadline = time.monotonic() + within_s
        while True:
            dealer = self.dial(port, is_enrolling=True)
            try:
                if wait_ready(dealer, 2.0):
                    dealer.send(encode(self.enrol_request()))
                    frame = receive_within(dealer, 3.0)
                    if frame is not None:
                        return enrol_answer_decoder().decode(frame)
            finally:
                dealer.close()
            assert time.monotonic() < deadline, "no answer on the enrolment port"
            time.sleep(0.05)

    def connect(self, port: int, within_s: float = PATIENCE_S) -> None:
        """Connect to the main port, trying anew until it stands."""
        deadline = time.monotonic() + within_s
        while True:
            self.close()
            self.told.clear()
            self.main = self.dial(port)
            if wait_ready(self.main, 2.0):
                return
            assert time.monotonic() < deadline, "no connection to the main port"
            time.sleep(0.05)

    def say(self, message: Message) -> None:
        """Send a message on the main connection."""
        assert self.main is not None
        assert self.main.send(encode(message))

    def hear(self, kind: type[M], within_s: float = PATIENCE_S) -> M:
        """Give the next message of a kind; others are kept in `told` until they are asked for."""
        assert self.main is not None
        for position, message in enumerate(self.told):
            if isinstance(message, kind):
                del self.told[position]
                return message
        deadline = time.monotonic() + within_s
        while (left_s := deadline - time.monotonic()) > 0:
            frame = receive_within(self.main, left_s)
            if frame is None:
                break
            message = self._decoder.decode(frame)
            if isinstance(message, kind):
                return message
            self.told.append(message)
        raise AssertionError(f"no {kind.__name__} came, only {self.told}")

    def greet(self) -> Welcome:
        """Say hello on the main connection and go through an empty SYNC."""
        nonce = os.urandom(16)
        counter = int(SystemClock().now().boot * 1e6)
        self.say(
            Hello(
                protocol_min=1,
                protocol_max=1,
                version="0.1.0",
                boot_id=self.boot_id,
                link_counter=counter,
                nonce=nonce,
                journal_id=self.journal_id,
                grains_digest="",
                store_id="",
                store_commit=0,
                last_loss="",
                attempts=1,
            )
        )
        welcome = self.hear(Welcome)
        assert welcome.nonce == nonce
        self.session = welcome.session
        self.say(SyncPage(self.session, 0, True, ()))
        self.hear(SyncAnswer)
        return welcome

    def accept(self, jid: str) -> None:
        """Say that a job is in the journal: its return is acknowledged, then."""
        self.say(Accepted(self.session, jid))

    def return_ok(self, jid: str, body: bytes = b"\xc3") -> None:
        """Say that a job ended well."""
        self.say(Return(self.session, jid, "ok", 0, "", 1, 1, body, "", 0, False))

    def is_cut(self, within_s: float) -> bool:
        """Say whether the connection is ended by the other side in time."""
        assert self.main is not None
        deadline = time.monotonic() + within_s
        while time.monotonic() < deadline:
            if "disconnected" in self.main.events():
                return True
            time.sleep(0.01)
        return False

    def close(self) -> None:
        """Close the main connection, if there is one."""
        if self.main is not None:
            self.main.close()
            self.main = None


def wait_ready(dealer: DealerSocket, within_s: float) -> bool:
    """Wait until a connection stands; False if it does not come to stand in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        for event in dealer.events():
            if event == "ready":
                return True
            if event != "connected":
                return False
        time.sleep(0.005)
    return False


def receive_within(dealer: DealerSocket, within_s: float) -> bytes | None:
    """Wait for a frame; None if none comes in time."""
    deadline = time.monotonic() + within_s
    while time.monotonic() < deadline:
        frame = dealer.receive_ready()
        if frame is not None:
            return frame
        time.sleep(0.002)
    return None


@contextmanager
def asking(socket_path: Path, request: Request) -> Iterator[Connection]:
    """Send one request over the master's Unix socket; read replies with `reply_of`."""
    connection = Connection(socket_path)
    try:
        connection.send(request)
        yield connection
    finally:
        connection.close()


def reply_of(connection: Connection) -> AnyReply | PackageReply:
    """Wait for the next reply."""
    reply = connection.receive(time.monotonic() + PATIENCE_S)
    assert reply is not None, "the master does not answer"
    return reply


def ask(socket_path: Path, request: Request) -> AnyReply | PackageReply:
    """Ask one thing that has one answer."""
    with asking(socket_path, request) as connection:
        return reply_of(connection)
