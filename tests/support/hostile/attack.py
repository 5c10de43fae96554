"""What an attack on a fleet needs: pings all the while, memory, hostile frames, an accepted key."""

import math
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Self

import msgspec
import psutil

from limpet.common.crypto.keys import decode_key
from limpet.common.messages import jobs, session, sources
from limpet.common.messages.fields import Message
from limpet.common.transport.sockets import Context, public_key_of
from limpet.common.wire.codec import encode
from support.fakes.hand_minion import HandMinion, wait_ready
from support.hostile.chaos import client_of
from support.master.fleet import Fleet, wait_until

JID = "01" + "0" * 24
HEX32 = "ab" * 16
DIGEST = "cd" * 32
JUNK: tuple[Any, ...] = (
    None,
    True,
    -1,
    0,
    2**53 + 1,
    2**64 - 1,
    1.5,
    math.nan,
    math.inf,
    "",
    "x" * 5000,
    "\0\n\x1b[2J",
    "../../etc/passwd",
    b"",
    b"\xff" * 40,
    [],
    [[]],
    {},
    {"a": 1},
    msgspec.msgpack.Ext(5, b"x"),
)


class Pings:
    """A thread that pings every 0.2 s while something happens. A context manager."""

    def __init__(self, fleet: Fleet, target: str, number: int, *, within_s: float = 5.0) -> None:
        self.asked = 0
        self.lost = 0
        self.slowest_s = 0.0
        self._fleet = fleet
        self._target = target
        self._number = number
        self._within_s = within_s
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._is_over.set()
        self._thread.join(60)

    def __str__(self) -> str:
        return f"pings lost {self.lost} of {self.asked}, the slowest {self.slowest_s:.2f} s"

    def check(self) -> None:
        """Insist that there were pings, and that none was lost."""
        assert self.asked > 0
        assert self.lost == 0, self

    def _run(self) -> None:
        with client_of(self._fleet) as client:
            while not self._is_over.wait(0.2):
                began = time.monotonic()
                job = client.run(self._target, "test.ping", timeout_s=self._within_s)
                self.slowest_s = max(self.slowest_s, time.monotonic() - began)
                self.asked += 1
                answered = sum(each.status == "ok" for each in job.minions.values())
                self.lost += answered < self._number


def memory_mb(fleet: Fleet) -> float:
    """Give the resident memory of the master and of all its processes."""
    master = psutil.Process(fleet.master.pid)
    total = 0
    for process in (master, *master.children(recursive=True)):
        total += process.memory_info().rss
    return total / 2**20


def rejected(fleet: Fleet) -> dict[str, int]:
    """Give the master's counters of what it turned away, as `limpet status` shows them."""
    with client_of(fleet) as client:
        return dict(client.status().rejected)


@contextmanager
def accepted(fleet: Fleet, context: Context, name: str) -> Iterator[HandMinion]:
    """Give a client of the test's own whose key the master has accepted, connected."""
    evil = HandMinion(context, fleet.master.root, name)
    assert evil.enrol(fleet.enrol_port).status == "pending"
    done = fleet.limpet("keys", "accept", name, "--yes")
    assert done.returncode == 0, done.stderr
    try:
        evil.connect(fleet.port)
        yield evil
    finally:
        evil.close()
        fleet.limpet("keys", "delete", name, "--yes")


def samples(now_session: int) -> list[Message]:
    """Give one good message of every type, of both directions."""
    at = int(time.time() * 1e6)
    nonce = os.urandom(16)
    hello = session.Hello(1, 1, "0.1.0", HEX32, at, nonce, HEX32, "", "", 0, "", 1)
    entry = session.SyncEntry(JID, "running")
    return [
        hello,
        session.Beat(now_session, 1, 0, (JID,), ""),
        session.SyncPage(now_session, 0, True, (entry,)),
        session.Grains(now_session, DIGEST, b"{}", at),
        jobs.Accepted(now_session, JID),
        jobs.Started(now_session, JID, at),
        jobs.Return(now_session, JID, "ok", 0, "", at, 1, b"\xc0", "", 0, False),
        jobs.BulkOffer(now_session, JID, DIGEST, 1_000_000),
        jobs.BulkChunk(now_session, JID, DIGEST, 0, b"x" * 100),
        jobs.CancelAnswer(now_session, JID, "cancelled"),
        jobs.Output(now_session, JID, 0, b"text", 0),
        sources.Ask(now_session, 1, "file", "base", "top.sls", b"", DIGEST, 1000),
        sources.Pull(now_session, 2, "file", "base", "top.sls", DIGEST, 0, 1000),
        session.Welcome(
            now_session, nonce, 1, "0.1.0", "web1", 5_000_000, 1, "", 0, at, False, 1, 1
        ),
        session.MasterBeat(now_session, 1, 1, at, 0),
        session.Drain(now_session, 0, 0),
        jobs.Deliver(now_session, JID, "cmd.run", b"\x92\x90\x80", at, 0, False, "root"),
        jobs.ReturnAck(now_session, JID),
        jobs.Cancel(now_session, JID),
        sources.Offer(now_session, 1, True, DIGEST, 3, b"", b"abc", True, ""),
        sources.Piece(now_session, 2, 0, b"abc", ""),
    ]


def mutations(chance: random.Random, now_session: int) -> list[bytes]:
    """Give mutated messages: each field of each type with junk, and bytes changed at random."""
    frames = []
    for message in samples(now_session):
        good = encode(message)
        fields = msgspec.msgpack.decode(good)
        for index in range(len(fields)):
            for junk in chance.sample(JUNK, 5):
                frames.append(msgspec.msgpack.encode([*fields[:index], junk, *fields[index + 1 :]]))
        frames.append(msgspec.msgpack.encode([*fields, "one more"]))
        frames.append(msgspec.msgpack.encode(fields[:-1]))
        for _ in range(10):
            spoilt = bytearray(good)
            for _ in range(chance.choice((1, 1, 2, 8))):
                spoilt[chance.randrange(len(spoilt))] = chance.randrange(256)
            frames.append(bytes(spoilt))
            frames.append(good[: chance.randrange(len(good))])
    chance.shuffle(frames)
    return frames


def send_all(evil: HandMinion, port: int, frames: list[bytes]) -> int:
    """Send frames on the main port, on a new connection whenever one is cut; gives how many."""
    sent = 0
    for frame in frames:
        deadline = time.monotonic() + 10
        while evil.main is None or not evil.main.send(frame):
            assert time.monotonic() < deadline, "the port takes nothing any more"
            if evil.main is None or "disconnected" in evil.main.events():
                evil.connect(port)
            time.sleep(0.002)
        sent += 1
    return sent


def send_to_enrolment(
    evil: Callable[[], HandMinion], port: int, frames: list[bytes], each: int = 3
) -> int:
    """Send frames on the enrolment port, a few on each connection; gives how many were taken."""
    sent = 0
    for start in range(0, len(frames), each):
        dealer = evil().dial(port, is_enrolling=True)
        try:
            if wait_ready(dealer, 3.0):
                sent += sum(dealer.send(frame) for frame in frames[start : start + each])
                time.sleep(0.001)
        finally:
            dealer.close()
    return sent


def key_pair_of(root: Path) -> tuple[bytes, bytes]:
    """Read a minion's key pair where it keeps it."""
    secret = decode_key(next(root.rglob("minion.secret")).read_bytes())
    return public_key_of(secret), secret


def count_grows(fleet: Fleet, reason: str, before: dict[str, int], within_s: float = 10.0) -> None:
    """Wait until a counter of the master has grown."""
    wait_until(
        f"{reason} is counted",
        lambda: rejected(fleet).get(reason, 0) > before.get(reason, 0),
        within_s,
    )
