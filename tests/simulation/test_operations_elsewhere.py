"""Steps that may not grow with something else than the fleet: keys that wait, jobs of a minion.

Counted as in `test_operations`: what waits for a person at the enrolment, what a minion remembers
and what it still has to deliver, what the deadlines of a whole fleet cost while they move.
"""

import random
from collections.abc import Callable
from functools import partial

import pytest

from limpet.common.clock import Instant
from limpet.common.identifiers import MinionKey
from limpet.common.messages.enrolment import EnrolStatus
from limpet.common.messages.jobs import Accepted, Cancel, CancelAnswer, Return, ReturnAck
from limpet.common.messages.session import Beat, MasterBeat
from limpet.common.messages.sources import Ask, Offer
from limpet.common.transport.connections import Connections
from limpet.common.transport.monitor import HANDSHAKE_SUCCEEDED, MonitorEvent
from limpet.common.transport.suspensions import Suspensions
from limpet.common.transport.watcher import MAIN_LIMITS, Watcher
from limpet.master.core.effects import Peer
from limpet.master.core.timers import Timers
from limpet.master.enrolment.rate_limits import EnrolRates
from limpet.master.process.send_backlog import SendBacklog
from limpet.minion.control.messages import AskSource
from limpet.minion.journal.records import (
    JobAccepted,
    JobAcknowledged,
    JobFinished,
    JournalState,
    replay,
)
from support.counting.containers import instrument
from support.counting.master_rig import Rig
from support.counting.operations import Cost, cost_of, typical
from support.minion.minion_bench import Bench, accepted_journal, jid


def same(small: list[Cost], large: list[Cost], *, share: float = 0.1) -> None:
    """Claim that the typical cost is the same."""
    few, many = typical(small), typical(large)
    print(f"\n{tuple(few)} {tuple(many)}")
    assert not many.exceeds(few, share=share, besides=10), f"{few} became {many}"


# -- the enrolment --------------------------------------------------------------------------------


def unknown_key(number: int, kind: int = 0) -> MinionKey:
    return MinionKey(f"{kind:02x}{number:06x}{'3' * 54}00")


def waiting(number: int) -> Rig:
    """Give a master at which so many new minions wait, each from an address of its own."""
    rig = Rig(5)
    for each in range(number):
        rig.t += 0.01
        rig.carry(rig.enrol(unknown_key(each), f"new{each}", where=each))
        rig.settle()
    assert rig.core._authority._keys.pending_count == number
    rig.instrument(number // 4)
    return rig


def polled(rig: Rig, status: EnrolStatus, key: Callable[[int], MinionKey], name: str) -> list[Cost]:
    found = []
    for number in range(9):
        rig.t += 1.0
        cost = rig.count(partial(rig.enrol, key(number), f"{name}{number}", where=number))
        assert rig.enrolled.pop(1).status == status
        found.append(cost)
    return found


def test_an_unknown_key_that_polls_costs_the_same_however_many_wait() -> None:
    few, many = waiting(90), waiting(990)
    same(*(polled(rig, "pending", unknown_key, "new") for rig in (few, many)))


def test_a_new_key_costs_the_same_however_many_wait() -> None:
    few, many = waiting(90), waiting(980)
    same(*(polled(rig, "pending", lambda n: unknown_key(n, 1), "other") for rig in (few, many)))


def test_an_unknown_key_for_which_there_is_no_room_costs_no_look_at_all_who_wait() -> None:
    few, full = waiting(90), waiting(1_000)
    new = polled(few, "pending", lambda n: unknown_key(n, 1), "other")
    turned_away = polled(full, "refused", lambda n: unknown_key(n, 1), "other")
    same(new, turned_away)


def test_the_rates_of_the_enrolment_port_cost_the_same_however_many_asked() -> None:
    found: list[list[Cost]] = []
    for number in (100, 4_000):
        rates = EnrolRates(0.0)
        for each in range(number):
            rates.may_ask(
                unknown_key(each), f"10.0.{each >> 8}.{each & 255}", has_token=True, now=1.0
            )
            rates.on_answered(unknown_key(each), 1.0)
        instrument(rates, number // 4)
        costs = []
        for each in range(9):
            key = unknown_key(each, 2 if each % 2 else 0)

            def turn(rates: EnrolRates = rates, key: MinionKey = key, each: int = each) -> None:
                rates.may_ask(key, f"10.9.0.{each}", has_token=False, now=10.0 + each)
                rates.on_answered(key, 10.0 + each)

            costs.append(cost_of(turn))
        found.append(costs)
    same(*found)


# -- the connections of a port --------------------------------------------------------------------


class Port:
    """What a port keeps of its connections, with so many of them."""

    def __init__(self, number: int) -> None:
        self.connections = Connections(b"\0\0\0\0\0", handshake_s=3.0)
        self.watcher = Watcher(MAIN_LIMITS, received=lambda _fd: 1_000)
        self.unread = SendBacklog(lambda _fd: 0)
        self.suspensions = Suspensions()
        self.now = 0.0
        self.number = 0
        self.open: list[int] = []
        for _ in range(number):
            self.come()
        for fd in self.open:
            self.say(fd)
        for part in (self.connections, self.watcher, self.unread, self.suspensions):
            instrument(part, number // 4)

    def come(self) -> None:
        """Let somebody connect."""
        self.number += 1
        self.now += 0.001
        fd = 10_000 + self.number
        self.connections.on_accepted(fd, ("10.0.0.1", 1), self.now)
        self.connections.on_event(MonitorEvent(HANDSHAKE_SUCCEEDED, fd), self.now)
        self.watcher.accepted(fd, "10.0.0.1", self.now)
        self.open.append(fd)

    def say(self, fd: int) -> None:
        """Let one of them send a frame, and have something large."""
        peer = b"\0" + (fd - 10_000).to_bytes(4, "big")
        self.connections.arrival(
            peer,
            b"x",
            fd=fd,
            user_id=unknown_key(fd),
            address="10.0.0.1:1",
            is_whole=True,
        )
        self.watcher.message(fd, peer, self.now)
        self.unread.take(Peer(peer), fd, 1_000)

    def leave(self, fd: int) -> None:
        """Let one of them go."""
        gone = self.connections.on_disconnected(fd)
        self.watcher.disconnected(fd)
        assert gone is not None
        assert gone.peer is not None
        self.unread.forget(Peer(gone.peer))

    def sweep(self) -> None:
        """Look whom to cut."""
        self.now = max(self.now, self.watcher.next_sweep)
        assert self.watcher.sweep(self.now, is_drained=True) == []


PORT: dict[str, Callable[[Port, int], object]] = {
    "a connection comes": lambda port, _: port.come(),
    "a frame comes": lambda port, n: port.say(port.open[n]),
    "a connection ends": lambda port, n: port.leave(port.open[-1 - n]),
    "a sweep": lambda port, _: port.sweep(),
}


@pytest.mark.parametrize("name", PORT)
def test_a_port_does_the_same_for_each_however_many_there_are(name: str) -> None:
    ports = Port(300), Port(3_000)
    few, many = ([cost_of(partial(PORT[name], port, n)) for n in range(9)] for port in ports)
    same(few, many, share=0.2)  # a look at one that has just spoken takes another line or two


# -- the deadlines of a fleet ---------------------------------------------------------------------


def test_deadlines_that_move_cost_the_same_each_however_many_there_are() -> None:
    """Sweeps of the heap included: all steps of very many moves, divided by their number."""
    each: list[float] = []
    for number in (500, 5_000):
        table: Timers[int] = Timers()
        chance = random.Random(1)
        for name in range(number):
            table.set(name, Instant(name * 0.001))

        def move(table: Timers[int] = table, number: int = number) -> None:
            chance = random.Random(2)
            for turn in range(3 * number):
                table.set(chance.randrange(number), Instant(10 + turn * 0.001))
                _ = table.next_deadline

        cost = cost_of(move)
        each.append((cost.calls + cost.lines) / (3 * number))
        del chance
    assert each[1] <= each[0] * 1.1, each


# -- a minion with many jobs ----------------------------------------------------------------------


def journal(remembered: int, waiting: int) -> JournalState:
    """Give a journal with so many jids of jobs that are over, and so many returns that wait."""
    state, wall_s = accepted_journal(), 1_700_000_000.0
    for number in range(remembered):
        replay(state, JobAcknowledged(jid(10_000 + number), wall_s))
    for number in range(waiting):
        name = jid(50_000 + number)
        end = JobFinished(name, "ok", 0, "", wall_s, 1.0, b"x" * 1_000, 1_000, "", False, wall_s)
        accepted = JobAccepted(
            name, "cmd.run", b"", 60.0, False, "root", 10**6, 1e6, wall_s + 1e6, "b" * 32, wall_s
        )
        replay(state, accepted)
        replay(state, end)
    return state


def made(remembered: int, waiting: int) -> Bench:
    """Give a minion that is READY with such a journal."""
    bench = Bench(journal(remembered, waiting)).start().connect()
    bench.hear(bench.welcome())
    while not bench.core.is_ready:
        bench.answer_sync()
    instrument(bench.core, max(10, (remembered + waiting) // 4))
    bench.hear(MasterBeat(bench.session, 1, 0, 1, 1))
    bench.master_number = 1
    return bench


def _deliver(bench: Bench, number: int) -> Cost:
    sent = len(bench.sent(Accepted))
    cost = cost_of(lambda: bench.deliver(number))
    assert len(bench.sent(Accepted)) == sent + 1
    return cost


def _deliver_what_is_over(bench: Bench, number: int) -> Cost:
    sent = len(bench.sent(Return))
    cost = cost_of(lambda: bench.deliver(10_000 + number))
    assert len(bench.sent(Return)) == sent + 1
    return cost


def _a_whole_job(bench: Bench, number: int) -> Cost:
    job = bench.deliver(number)

    def run() -> None:
        bench.spawn(job)
        bench.end(job)
        bench.hear(ReturnAck(bench.session, job))

    cost = cost_of(run)
    assert job not in bench.core.job_table.registry.finished
    return cost


def _acknowledged(bench: Bench, number: int) -> Cost:
    job_table = bench.core.job_table
    job = next(iter(job_table.returns._sent), None) or bench.deliver(number)
    if job in job_table.registry.live:
        bench.spawn(job)
        bench.end(job)
    cost = cost_of(lambda: bench.hear(ReturnAck(bench.session, job)))
    assert job not in job_table.registry.finished
    return cost


def _master_beat(bench: Bench, number: int) -> Cost:
    bench.master_number += 1
    beat = MasterBeat(bench.session, bench.master_number, 0, 1, 1)
    return cost_of(lambda: bench.hear(beat))


def _own_beat(bench: Bench, number: int) -> Cost:
    bench.echo()
    sent = len(bench.sent(Beat))
    bench.pass_time(bench.core.next_deadline - bench.now.boot)
    cost = cost_of(lambda: bench.take(bench.core.on_deadline(bench.now)))
    if len(bench.sent(Beat)) == sent:  # something else was due
        return _own_beat(bench, number)
    return cost


def _cancel(bench: Bench, number: int) -> Cost:
    sent = len(bench.sent(CancelAnswer))
    cost = cost_of(lambda: bench.hear(Cancel(bench.session, jid(number))))
    assert len(bench.sent(CancelAnswer)) == sent + 1
    return cost


def _question(bench: Bench, number: int) -> Cost:
    question = AskSource("file", "base", "name", b"", "")
    core = bench.core
    cost = cost_of(lambda: bench.take(core.on_local_question(bench.now, number, question)))
    bench.take(core.on_local_gone(bench.now, number))
    bench.hear(Offer(bench.session, bench.last(Ask).request, False, "", 0, b"", b"", False, ""))
    assert len(core.files) == 0
    return cost


MINION: dict[str, Callable[[Bench, int], Cost]] = {
    "a job comes": _deliver,
    "a job comes that is over": _deliver_what_is_over,
    "a whole job": _a_whole_job,
    "a return is acknowledged": _acknowledged,
    "the master's beat": _master_beat,
    "the own beat": _own_beat,
    "a cancel": _cancel,
    "a question for a file": _question,
}


@pytest.mark.parametrize("name", MINION)
def test_a_message_costs_a_minion_the_same_however_many_jobs_it_remembers(name: str) -> None:
    few, many = made(100, 0), made(5_000, 0)
    same(*([MINION[name](bench, number) for number in range(7)] for bench in (few, many)))


@pytest.mark.parametrize("name", [each for each in MINION if each != "a whole job"])
def test_a_message_costs_a_minion_the_same_however_many_returns_wait(name: str) -> None:
    few, many = made(20, 50), made(20, 3_000)
    same(*([MINION[name](bench, number) for number in range(7)] for bench in (few, many)))
