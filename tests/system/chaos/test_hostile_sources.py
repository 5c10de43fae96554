"""A minion with an accepted key that asks for files as none should: it delays and costs nobody."""

import os
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Tell

from limpet.common.messages.sources import PIECE_BYTES_MAX, Ask, Offer, Piece, Pull
from limpet.common.transport.sockets import Context
from limpet.common.wire.codec import encode
from limpet.minion.control.files_client import SourcesOfMaster
from limpet.states.ports.served import Question
from support.fakes.hand_minion import HandMinion
from support.hostile.attack import Pings, accepted, memory_mb, rejected
from support.master.fleet import Fleet
from support.master.pulling import Pulling, roots_of, socket_of

pytestmark = [pytest.mark.slow, pytest.mark.timeout(180)]
MIB = 1024 * 1024


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(tmp_path) as made:
        states = roots_of(made)
        (states / "big").write_bytes(os.urandom(MIB) * 40)
        for number in range(500):
            (states / f"file-{number}").write_bytes(os.urandom(200_000))
        made.start_master()
        made.add_minion("web1")
        made.wait_ready(1)
        yield made


@pytest.fixture
def context() -> Iterator[Context]:
    context = Context()
    yield context
    context.close()


def send_while_there_is_room(evil: HandMinion, frame: bytes, within_s: float = 0.5) -> bool:
    """Send a frame; False: the master takes no more for now."""
    assert evil.main is not None
    end = time.monotonic() + within_s
    while not evil.main.send(frame):
        if time.monotonic() > end:
            return False
        time.sleep(0.002)
    return True


@pytest.mark.covers("B-46", "G11")
def test_one_that_asks_for_everything_and_reads_nothing_costs_little_memory(
    fleet: Fleet, context: Context, tell: Tell
) -> None:
    with accepted(fleet, context, "evil") as evil, Pings(fleet, "web*", 1) as seen:
        evil.greet()
        question = Ask(evil.session, 1, "file", "base", "big", b"", "", 0)
        evil.say(question)
        digest = evil.hear(Offer).digest
        before_mb = memory_mb(fleet)
        pulls = 0
        for number in range(2, 3_000):
            offset = (number * PIECE_BYTES_MAX) % (39 * MIB)
            pull = Pull(
                evil.session, number, "file", "base", "big", digest, offset, PIECE_BYTES_MAX
            )
            pulls += send_while_there_is_room(evil, encode(pull))
            if pulls != number - 1:
                break
        honest = Pulling(socket_of(fleet.minions["web1"]), Question("file", "base", "big"))
        honest.start()
        honest.finish()
        grown_mb = memory_mb(fleet) - before_mb
    tell(f"{pulls} pulls of half a megabyte, unread: memory {grown_mb:+.1f} MB; {seen}")
    assert honest.problem is None, honest.problem
    assert pulls > 500
    assert grown_mb < 40
    seen.check()
    assert rejected(fleet).get("slow_peer", 0) > 0


@pytest.mark.covers("B-46")
def test_a_flood_of_questions_delays_nobody_elses(
    fleet: Fleet, context: Context, tell: Tell
) -> None:
    with accepted(fleet, context, "evil") as evil, Pings(fleet, "web*", 1) as seen:
        evil.greet()
        sources = SourcesOfMaster(socket_of(fleet.minions["web1"]))
        slowest_s = 0.0
        busy = 0
        for number in range(1, 6_001):
            name = f"file-{number % 500}"
            ask = Ask(evil.session, number, "file", "base", name, b"", "", 0)
            send_while_there_is_room(evil, encode(ask), 5.0)
            if number % 500 == 0:
                began = time.monotonic()
                assert sources.ask(Question("file", "base", "file-0")).is_found
                slowest_s = max(slowest_s, time.monotonic() - began)
        for kind, changed in (("senseless offset", 2**53), ("beyond the end", 41 * MIB)):
            digest = "ab" * 32
            evil.say(Pull(evil.session, 7_000, "file", "base", "big", digest, changed, 1))
            while (piece := evil.hear(Piece)).request != 7_000:
                pass
            assert piece.problem, kind
        while any(isinstance(each, Offer) and each.problem == "busy" for each in evil.told):
            busy += evil.hear(Offer).problem == "busy"
        sources.close()
    tell(f"6,000 questions: {busy} answered busy; another's took {slowest_s:.2f} s; {seen}")
    assert slowest_s < 3.0
    seen.check()
