"""One minion of the swarm, without a master."""

import os
import random
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from limpet.common.clock import Moment, SystemClock
from limpet.common.identifiers import Attempt, JobId
from limpet.common.transport.events import LinkEvent
from limpet.common.transport.sockets import Context, make_keypair
from limpet.minion.core import effects as do
from limpet.minion.journal.records import JobAccepted, JobStarted
from limpet.minion.process.master_socket import MasterSocket
from limpet.minion.swarm.figures import Figures
from limpet.minion.swarm.minions.behaviour import Behaviour
from limpet.minion.swarm.minions.grains import USUAL
from limpet.minion.swarm.minions.minion import SwarmMinion
from limpet.minion.swarm.minions.proving import Prover
from limpet.minion.swarm.minions.shared import SharedWorld
from limpet.minion.swarm.plan import Member, Order
from limpet.minion.swarm.watch import Watcher
from support.master.fleet import free_port_pair

JID = JobId("0" * 26)


class Bench:
    """A minion, and what it asked of its loop."""

    def __init__(self, context: Context, host: str) -> None:
        self.looks: list[int] = []
        self.names: list[tuple[int, Attempt]] = []
        self.figures = Figures()
        self.watcher = Watcher()
        port, enrol_port = free_port_pair()
        public, secret = make_keypair()
        self.member = Member(1, "s-1", public, secret, {"is_accepted": "1"})
        order = Order(
            host, port, enrol_port, make_keypair()[0].hex(), "1", "", b"", 1.0, Behaviour(),
            USUAL, [self.member],
        )  # fmt: skip
        self.clock = SystemClock()
        shared = SharedWorld(
            order=order, context=context, clock=self.clock, chance=random.Random(1),
            boot_id="b" * 32, figures=self.figures,
            wants_name=lambda index, attempt: self.names.append((index, attempt)),
            wants_look=self.looks.append, prover=Prover(b""),
        )  # fmt: skip
        self.minion = SwarmMinion(4, self.member, shared, self.watcher.watch_of(4))

    def now(self) -> Moment:
        return self.clock.now()


@contextmanager
def bench(host: str = "127.0.0.1") -> Iterator[Bench]:
    context = Context()
    made = Bench(context, host)
    try:
        yield made
    finally:
        made.minion.stop()
        made.watcher.close()
        context.close()


def test_a_minion_whose_master_is_away_says_why_and_when_it_will_try_again() -> None:
    with bench() as made:
        minion = made.minion
        minion.start(made.now())
        assert made.looks == [4]  # a new socket tells nothing before somebody looked
        minion.on_word()
        limit = time.monotonic() + 20
        while not made.figures.failures:
            assert time.monotonic() < limit
            for index, is_word in made.watcher.wait(0.5)[0]:
                assert index == 4
                if is_word:
                    minion.on_word()
        assert made.figures.failures == {"refused": 1}
        assert made.figures.sockets_opened == 1
        assert (made.figures.connected, made.figures.ready) == (0, 0)
        assert made.now().boot - 1.0 < minion.next_deadline(made.now()) < made.now().after(120.0)
        assert made.watcher.wait(0.0) == ([], set())  # nothing of the closed socket is left


def test_only_word_that_led_to_something_has_the_frames_looked_at_too(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    heard: list[LinkEvent] = []
    monkeypatch.setattr(MasterSocket, "events", lambda _: [heard.pop(0)] if heard else [])
    with bench() as made:
        minion = made.minion
        minion.start(made.now())
        assert minion.on_word() is False
        heard.append("connected")
        assert minion.on_word() is False  # nothing was sent
        assert str(minion._the_core.state) == "connecting"
        heard.append("ready")
        assert minion.on_word() is True
        assert str(minion._the_core.state) == "greeting"
        heard.append("disconnected")
        assert minion.on_word() is True
        assert made.figures.failures == {"disconnected": 1}


def test_a_name_is_looked_up_by_the_loop() -> None:
    with bench("master.example") as made:
        made.minion.start(made.now())
        ((index, attempt),) = made.names
        assert index == 4
        made.minion.on_resolved(attempt, ())
        assert made.figures.failures == {"unresolved": 1}


def test_a_link_that_wants_a_fresh_process_gets_a_fresh_core_and_keeps_its_journal() -> None:
    with bench() as made:
        minion = made.minion
        minion.start(made.now())
        before = minion._the_core
        journal = minion._effect_runner.journal.journal_id
        accepted = JobAccepted(
            JID, "cmd.run", b"", 60.0, False, "root", 1000, made.now().after(60.0),
            made.now().wall + 60.0, "b" * 32, made.now().wall,
        )  # fmt: skip
        started = JobStarted(JID, 1, 1, "b" * 32, made.now().wall, made.now().boot)
        before.link._outbox.persist(accepted, started)
        minion._do(made.now(), before.link._outbox.take())
        minion._do(made.now(), [do.Reexec("ten minutes of failures")])
        assert minion._the_core is not before
        assert minion._effect_runner.journal.journal_id == journal
        assert made.figures.restarts == 1
        assert made.figures.sockets_opened == 2
        assert made.figures.jobs_cancelled == 1  # its process took the job with it
        ended = minion._effect_runner.journal.jobs[JID].finished
        assert ended is not None
        assert ended.outcome == "interrupted"


def test_what_is_kept_for_the_next_run_is_what_the_journal_knows() -> None:
    with bench() as made:
        made.minion.start(made.now())
        minion = made.minion
        minion._do(made.now(), [do.KeepServerKey("ab" * 32)])
        minion._the_core.notes.keep(fleet="7")
        minion._do(made.now(), minion._the_core.link._outbox.take())
        kept = minion.kept()
        assert kept.notes == {"is_accepted": "1", "fleet": "7"}
        assert kept.server_key == "ab" * 32


def test_other_descriptors_wake_the_loop_as_well() -> None:
    watcher = Watcher()
    reader, writer = os.pipe()
    try:
        watcher.add_descriptor(reader)
        assert watcher.wait(0.0) == ([], set())
        os.write(writer, b"x")
        assert watcher.wait(5.0) == ([], {reader})
    finally:
        watcher.close()
        os.close(reader)
        os.close(writer)
