"""Laws of the core under random events: nothing raises, nothing is told too early, nothing jumps.

Hypothesis draws what happens: minions that keep the rules and messages that keep none, slow disks,
crashes, time. After every step: the next deadline is finite; whatever was told names a commit that
is durable; statuses on disk moved only along the arrows; nothing ran twice.
"""

from typing import Any, Literal

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from limpet.common.control.replies import JobEnded, JobStored, JobUpdate
from limpet.common.control.requests import (
    CancelJob,
    ChangeKeys,
    KeyAction,
    Request,
    RunJob,
    WatchJob,
)
from limpet.common.identifiers import JobId, MinionId
from limpet.common.messages.jobs import (
    Accepted,
    BulkChunk,
    BulkOffer,
    CancelAnswer,
    CancelVerdict,
    Deliver,
    Outcome,
    Output,
    ReturnAck,
    Started,
)
from limpet.common.messages.session import Beat, Grains, SyncAnswer, SyncEntry, SyncPage, Welcome
from limpet.master.core import effects as do
from limpet.master.core.settings import MasterSettings
from limpet.master.jobs.delivery import ARROWS, OPEN, shown_status
from limpet.master.store.operations import PutDelivery
from support.fakes.honest_minion import HonestMinion
from support.master.master_bench import Bench

NAMES = ("web1", "web2", "web3")
SETTINGS = MasterSettings(sync_at_once=2, in_flight_max=2, jobs_ended_max=3, requests_max=100)

minion_numbers = st.integers(0, len(NAMES) - 1)
picks = st.integers(0, 1000)


class CheckedBench(Bench):
    """A bench that checks each effect as it is carried out."""

    def _do(self, effect: do.Effect) -> None:
        match effect:
            case do.Persist(operations=operations) if isinstance(effect, do.Persist):
                for operation in operations:
                    if isinstance(operation, PutDelivery):
                        self._check_arrow(operation, effect.commit)
            case do.Send(message=Deliver(jid=jid)) if isinstance(effect, do.Send):
                row = self.store.deliveries[JobId(jid)][self._minion_of(effect)]
                assert row.journal_id, "sent before it was bound on disk"
            case do.Send(message=ReturnAck(jid=jid)) if JobId(jid) in self.store.jobs:
                assert isinstance(effect, do.Send)
                row = self.store.deliveries[JobId(jid)][self._minion_of(effect)]
                assert row.state not in OPEN, "a return was acknowledged before it was durable"
            case do.Send(message=SyncAnswer(verdicts=verdicts)) if isinstance(effect, do.Send):
                for verdict in verdicts:
                    rows = self.store.deliveries.get(JobId(verdict.jid), {})
                    held = rows.get(self._minion_of(effect))
                    assert (
                        verdict.verdict != "acknowledge" or held is None or held.state not in OPEN
                    )
            case do.Send(message=Welcome(store_id=store_id)):
                assert store_id == self.store.notes["store_id"], "told a store id before its commit"
            case do.Answer(reply=JobStored(jid=jid)):
                assert JobId(jid) in self.store.jobs, "a job id was told before it was durable"
            case do.Answer(reply=JobUpdate(jid=jid, result=result)):
                row = self.store.deliveries[JobId(jid)][MinionId(result.minion)]
                told = {
                    status
                    for commit, status in self.was.get((jid, result.minion), ())
                    if commit <= self.store.commit
                }
                assert result.status in told | {shown_status(row.state)}, "told before its commit"
            case do.Answer(reply=JobEnded(jid=jid)):
                assert self.store.jobs[JobId(jid)].ended_s > 0 or jid in self.reopened
            case _:
                pass
        super()._do(effect)
        if isinstance(effect, do.Persist):
            assert len([each for each in self.waiting if each is effect]) == 1

    def carry_out(self, effects: list[do.Effect]) -> None:
        assert sum(isinstance(each, do.Persist) for each in effects) <= 1
        super().carry_out(effects)

    def boot(self) -> None:
        self.was: dict[tuple[str, str], list[tuple[int, str]]] = {}
        self.reopened: set[str] = set()
        self.next_states: dict[tuple[str, str], str] = {
            (jid, minion): row.state
            for jid, rows in self.store.deliveries.items()
            for minion, row in rows.items()
        }
        super().boot()

    def _check_arrow(self, put: PutDelivery, commit: int) -> None:
        name = (put.row.jid, put.row.minion)
        before = self.next_states.get(name)
        after = put.row.state
        if before is not None and before != after:
            assert after in ARROWS.get(before, ()), f"{name}: {before} -> {after}"
            if before not in OPEN:
                self.reopened.add(put.row.jid)
        self.next_states[name] = after
        self.was.setdefault(name, []).append((commit, shown_status(after)))

    def _minion_of(self, effect: do.Send) -> MinionId:
        return self.store.keys[effect.key].minion


class Master(RuleBasedStateMachine):
    """Random life of a master with three minions."""

    @initialize()
    def begin(self) -> None:
        self.bench = CheckedBench(NAMES, settings=SETTINGS)
        self.minions = [HonestMinion(self.bench, name) for name in NAMES]
        self.requests: list[RunJob] = []
        self.jids: list[str] = []
        self.clients = 0

    def jid(self, pick: int) -> str:
        return self.jids[pick % len(self.jids)]

    # -- clients ------------------------------------------------------------------------------

    @rule(
        whom=st.sampled_from(("*", "web1", "web[23]", "nobody")),
        ttl_s=st.sampled_from((None, None, 20.0, 200.0)),
        batch=st.sampled_from(("", "", "1", "50%")),
    )
    def run(self, whom: str, ttl_s: float | None, batch: str) -> None:
        if len(self.requests) < 12:
            self.requests.append(self.bench.request(whom, ttl_s=ttl_s, batch=batch))
            self._ask(self.requests[-1])

    @precondition(lambda self: self.requests)
    @rule(pick=picks)
    def ask_again(self, pick: int) -> None:
        self._ask(self.requests[pick % len(self.requests)])

    def _ask(self, request: Request) -> None:
        self.clients += 1
        for reply in self.bench.ask(self.clients, request):
            if isinstance(reply, JobStored) and reply.jid not in self.jids:
                self.jids.append(reply.jid)

    @precondition(lambda self: self.jids)
    @rule(pick=picks)
    def watch(self, pick: int) -> None:
        self._ask(WatchJob(self.jid(pick), is_streamed=True, is_followed=True))

    @precondition(lambda self: self.jids)
    @rule(pick=picks, is_one=st.booleans())
    def cancel(self, pick: int, is_one: bool) -> None:
        jid = self.jid(pick)
        rows = self.bench.store.deliveries.get(JobId(jid), {})
        self._ask(CancelJob(jid, tuple(sorted(rows)[:1]) if is_one else ()))

    @rule(pick=st.integers(1, 50))
    def leave(self, pick: int) -> None:
        self.bench.carry_out(self.bench.core.on_client_gone(self.bench.now, do.Client(pick)))

    @rule(number=minion_numbers, action=st.sampled_from(("accept", "accept", "reject")))
    def change_key(self, number: int, action: KeyAction) -> None:
        self._ask(ChangeKeys(action, (NAMES[number],), False, False))

    # -- honest minions -----------------------------------------------------------------------

    @rule(number=minion_numbers)
    def come(self, number: int) -> None:
        self.minions[number].come()

    @rule(number=minion_numbers)
    def work(self, number: int) -> None:
        self.minions[number].work()

    @rule(number=minion_numbers)
    def beat(self, number: int) -> None:
        if self.minions[number].is_ready:
            self.minions[number].beat()

    @precondition(lambda self: self.jids)
    @rule(number=minion_numbers, pick=picks)
    def start(self, number: int, pick: int) -> None:
        if self.minions[number].is_ready:
            self.minions[number].start(self.jid(pick))

    @precondition(lambda self: self.jids)
    @rule(number=minion_numbers, pick=picks, outcome=st.sampled_from(("ok", "failed")))
    def end(self, number: int, pick: int, outcome: Outcome) -> None:
        if self.minions[number].is_ready:
            self.minions[number].end(self.jid(pick), outcome)

    @rule(number=minion_numbers)
    def go(self, number: int) -> None:
        minion = self.minions[number]
        minion.is_ready = False
        self.bench.carry_out(self.bench.core.on_peer_gone(self.bench.now, minion.peer))

    @rule(number=minion_numbers, why=st.sampled_from(("gone", "full")))
    def fail(self, number: int, why: Literal["gone", "full"]) -> None:
        peer = self.minions[number].peer
        if why == "gone":
            self.minions[number].is_ready = False
        self.bench.carry_out(self.bench.core.on_send_failed(self.bench.now, peer, why))

    @rule(number=minion_numbers)
    def reimage(self, number: int) -> None:
        name = NAMES[number]
        self.bench.seed += 1
        anew = f"{name} {self.bench.seed}"
        runs = self.minions[number].runs  # what ran on a host has run, whatever it forgets
        self.minions[number] = HonestMinion(self.bench, name, host=anew, journal=anew)
        self.minions[number].runs = runs
        self.minions[number].come()

    # -- messages that keep no rules ----------------------------------------------------------

    @precondition(lambda self: self.jids)
    @rule(
        number=minion_numbers,
        pick=picks,
        kind=st.integers(0, 9),
        value=st.integers(0, 2**20),
        word=st.sampled_from(("cancelling", "cancelled", "finished")),
    )
    def babble(self, number: int, pick: int, kind: int, value: int, word: CancelVerdict) -> None:
        minion, jid = self.minions[number], self.jid(pick)
        session = minion.session or 1
        digest = "0" * 64
        known = minion.jobs.get(jid)
        messages: tuple[Any, ...] = (
            Beat(session, value, value, (), "odd"),
            Grains(session, digest, b"{}", value),
            Output(session, jid, value, b"x", value),
            BulkOffer(session, jid, digest, value),
            BulkChunk(session, jid, digest, value % 3, b"x"),
            SyncPage(session, value % 2, bool(value % 3), (SyncEntry(jid, "finished"),)),
            Accepted(session, "7" * 26),
            Started(session, "7" * 26, value),
            CancelAnswer(session, jid, word),
            minion.returned(jid if known == "finished" else "7" * 26, "failed"),
        )
        minion.say(messages[kind])

    # -- time, disk, death --------------------------------------------------------------------

    @rule(seconds=st.sampled_from((0.01, 1.0, 4.0, 5.0, 16.0, 61.0, 700.0)))
    def advance(self, seconds: float) -> None:
        self.bench.advance(seconds)

    @rule(seconds=st.sampled_from((3.0, 40.0)))
    def stand_still(self, seconds: float) -> None:
        self.bench.t += seconds
        self.bench.carry_out(self.bench.core.on_deadline(self.bench.now))

    @rule(is_slow=st.booleans())
    def disk(self, is_slow: bool) -> None:
        self.bench.disk_is_slow = is_slow
        if not is_slow:
            self.bench.commit()

    @rule(down_s=st.sampled_from((0.0, 3.0, 100.0)), kept=st.integers(0, 3))
    def crash(self, down_s: float, kept: int) -> None:
        for persist in self.bench.waiting[:kept]:
            self.bench.store.apply(persist.commit, persist.operations)
        self.bench.crash(down_s)
        self.jids = [jid for jid in self.jids if JobId(jid) in self.bench.store.jobs]
        for minion in self.minions:
            minion.is_ready = False

    @rule()
    def trouble(self) -> None:
        self.bench.carry_out(self.bench.core.on_store_trouble(self.bench.now, "disk full"))
        self.bench.carry_out(self.bench.core.on_store_trouble(self.bench.now, ""))

    # -- laws ---------------------------------------------------------------------------------

    @invariant()
    def the_next_deadline_is_finite(self) -> None:
        assert self.bench.core.next_deadline < self.bench.now.boot + 4000

    @invariant()
    def nothing_runs_twice(self) -> None:
        for minion in self.minions:
            assert all(times == 1 for times in minion.runs.values())

    @invariant()
    def one_request_is_one_job(self) -> None:
        rows = self.bench.store.jobs.values()
        assert len({(row.uid, row.request_id) for row in rows}) == len(rows)

    def teardown(self) -> None:
        """All jobs come to an end when nobody disturbs."""
        bench = self.bench
        bench.disk_is_slow = False
        bench.commit()
        for minion in self.minions:
            self._ask(ChangeKeys("accept", (minion.name,), False, False))
            minion.is_ready = False
        bench.advance(1000)
        assert all(row.ended_s > 0 for row in bench.store.jobs.values()), bench.store.deliveries
        assert bench.core.next_deadline < bench.now.boot + 4000


TestMasterLaws = Master.TestCase
TestMasterLaws.settings = settings(
    max_examples=60,
    stateful_step_count=40,
    deadline=None,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)
