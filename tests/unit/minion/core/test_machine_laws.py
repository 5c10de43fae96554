"""Whatever happens, in whatever order: the core does not raise, does not hang, keeps its promises.

The bench itself fails a run in which a deadline is not finite, two sockets are open at once, a jid
is spawned twice, or an effect waits for a commit that nobody asked for.
"""

import random

import pytest
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from limpet.common.identifiers import Attempt, MinionId
from limpet.common.messages.enrolment import EnrolAnswer, EnrolStatus
from limpet.common.messages.jobs import Accepted, BulkAck, Cancel, Return, ReturnAck, Started
from limpet.common.messages.session import (
    Busy,
    DenialReason,
    Denied,
    Drain,
    Hello,
    MasterBeat,
    Regreet,
    SyncAnswer,
    SyncVerdict,
    SyncVerdictName,
)
from limpet.common.transport.events import LinkEvent
from limpet.minion.core.effects import KillJob, Persist, ReleaseJob, Send
from limpet.minion.core.settings import LinkSettings
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.journal.records import JobAccepted, JobFinished, JobStarted
from limpet.minion.sessions.states import WITH_SOCKET, State
from support.minion.minion_bench import SETTINGS, Bench, accepted_journal, jid

NAMED = LinkSettings(MinionId("web1"), "master.example", "aa" * 32, join_token_id="t")
NUMBERS = st.integers(0, 5)
SESSIONS = st.sampled_from([7, 8, 9])
LINK_EVENTS = st.sampled_from(
    ["connected", "ready", "refused", "denied", "handshake_failed", "disconnected"]
)
RESULTS = st.sampled_from(
    [
        WorkerResult("ok", 0, body=b"\xc3", body_bytes=1),
        WorkerResult("failed", 1, "no"),
        WorkerResult("interrupted", 1, "gone"),
        WorkerResult("ok", 0, body_bytes=50_000, body_digest="a" * 64),
        WorkerResult("ok", 0, body_bytes=50_000),
    ]
)


class AnyOrder(RuleBasedStateMachine):
    """Every event, with plausible and implausible contents, in any order."""

    def __init__(self) -> None:
        super().__init__()
        self.bench = Bench(accepted_journal(), settings=SETTINGS)
        self.bench.start()
        self.ever_spawned: set[str] = set()

    def nonce(self, is_right: bool) -> bytes:
        """Give the nonce of the last greeting, or another."""
        hellos = self.bench.sent(Hello)
        return hellos[-1].nonce if is_right and hellos else b"0" * 16

    @rule(seconds=st.sampled_from([0.0, 0.01, 0.3, 1.0, 4.0, 16.0, 100.0]), wakes=st.booleans())
    def time(self, seconds: float, wakes: bool) -> None:
        if wakes:
            self.bench.advance(seconds)
        else:
            self.bench.pass_time(seconds)
            self.bench.take(self.bench.core.on_deadline(self.bench.now))

    @rule(what=LINK_EVENTS, is_present=st.booleans())
    def link(self, what: LinkEvent, is_present: bool) -> None:
        attempt = self.bench.attempt if is_present else Attempt(1)
        self.bench.take(self.bench.core.on_link(self.bench.now, attempt, what))

    @rule(addresses=st.sampled_from([(), ("10.0.0.1",), ("10.0.0.1", "2001:db8::1")]))
    def resolved(self, addresses: tuple[str, ...]) -> None:
        attempt = self.bench.core.link.attempt
        self.bench.take(self.bench.core.on_resolved(self.bench.now, attempt, addresses))

    @rule(session=SESSIONS, is_right=st.booleans(), protocol=st.sampled_from([1, 1, 9]))
    def welcome(self, session: int, is_right: bool, protocol: int) -> None:
        if self.bench.sent(Hello):
            message = self.bench.welcome(
                session=session, nonce=self.nonce(is_right), protocol=protocol
            )
            self.bench.hear(message)

    @rule()
    @precondition(lambda self: self.bench.core.state in (State.CONNECTING, State.GREETING))
    def succeed(self) -> None:
        if self.bench.core.state is State.CONNECTING:
            self.bench.connect()
        if self.bench.core.state is State.GREETING:
            self.bench.hear(self.bench.welcome())
            self.bench.answer_sync()

    @rule(is_right=st.booleans(), reason=st.sampled_from(["rejected", "unknown_key", "cloned"]))
    def denied(self, is_right: bool, reason: DenialReason) -> None:
        self.bench.hear(Denied(self.nonce(is_right), reason, "", 0))

    @rule(is_right=st.booleans())
    def busy(self, is_right: bool) -> None:
        self.bench.hear(Busy(self.nonce(is_right), 0))

    @rule(session=SESSIONS)
    def regreet(self, session: int) -> None:
        self.bench.hear(Regreet(session))

    @rule(session=SESSIONS)
    def drain(self, session: int) -> None:
        self.bench.hear(Drain(session, 1_000_000, 1_000_000))

    @rule(session=SESSIONS, number=st.integers(0, 20), echo=st.integers(0, 20))
    def master_beat(self, session: int, number: int, echo: int) -> None:
        self.bench.hear(MasterBeat(session, number, echo, 10**9, number))

    @rule(
        session=SESSIONS,
        page=st.integers(0, 1),
        number=NUMBERS,
        verdict=st.sampled_from(["adopt", "acknowledge", "resend", "cancel", "unknown"]),
    )
    def sync_answer(self, session: int, page: int, number: int, verdict: SyncVerdictName) -> None:
        self.bench.hear(SyncAnswer(session, page, (SyncVerdict(jid(number), verdict),)))

    @rule(status=st.sampled_from(["accepted", "pending", "refused"]))
    def enrol_answer(self, status: EnrolStatus) -> None:
        self.bench.hear(EnrolAnswer(b"0" * 16, status, 0, ""))

    @rule(
        session=SESSIONS,
        number=NUMBERS,
        function=st.sampled_from(["cmd.run", "state.apply", "test.ping"]),
        ttl_s=st.sampled_from([-5, 5, 5000]),
    )
    def deliver(self, session: int, number: int, function: str, ttl_s: int) -> None:
        expires = int((self.bench.now.boot + ttl_s) * 1_000_000)
        self.bench.deliver(number, function, session=session, expires_at=max(0, expires))

    @rule(session=SESSIONS, number=NUMBERS)
    def cancel(self, session: int, number: int) -> None:
        self.bench.hear(Cancel(session, jid(number)))

    @rule(number=NUMBERS)
    def return_ack(self, number: int) -> None:
        self.bench.hear(ReturnAck(self.bench.session, jid(number)))

    @rule(number=NUMBERS, offset=st.sampled_from([0, 16384, 50_000, 10**9]))
    def bulk_ack(self, number: int, offset: int) -> None:
        self.bench.hear(BulkAck(self.bench.session, jid(number), "a" * 64, offset))

    @rule(number=NUMBERS, offset=st.sampled_from([0, 16384]), size=st.sampled_from([0, 16384]))
    def body(self, number: int, offset: int, size: int) -> None:
        now = self.bench.now
        self.bench.take(self.bench.core.on_body(now, jid(number), offset, bytes(size)))

    @rule(number=NUMBERS)
    def spawned(self, number: int) -> None:
        self.bench.spawn(jid(number))

    @rule(number=NUMBERS)
    def spawn_failed(self, number: int) -> None:
        self.bench.take(self.bench.core.on_job_spawn_failed(self.bench.now, jid(number), "no"))

    @rule(number=NUMBERS, result=RESULTS)
    def ended(self, number: int, result: WorkerResult) -> None:
        self.bench.end(jid(number), result)

    @rule(number=NUMBERS, size=st.sampled_from([0, 100, 40_000]))
    def output(self, number: int, size: int) -> None:
        now = self.bench.now
        self.bench.take(self.bench.core.on_output(now, jid(number), bytes(size), 1))

    @rule(is_prompt=st.booleans())
    def disk(self, is_prompt: bool) -> None:
        self.bench.is_disk_prompt = is_prompt
        self.bench.write()

    @rule(text=st.sampled_from(["", "disk full"]))
    def journal_trouble(self, text: str) -> None:
        self.bench.take(self.bench.core.on_journal_trouble(self.bench.now, text))

    @rule(
        body=st.sampled_from([b"", b"{}", bytes(100_000)]), digest=st.sampled_from(["", "e" * 64])
    )
    def grains(self, body: bytes, digest: str) -> None:
        self.bench.take(self.bench.core.on_grains(self.bench.now, body, digest, ""))

    @rule(client=st.integers(1, 2))
    def local_run(self, client: int) -> None:
        now = self.bench.now
        self.bench.take(self.bench.core.on_local_run(now, client, "cmd.run", b"", 0))

    @rule(client=st.integers(1, 2))
    def local_gone(self, client: int) -> None:
        self.bench.take(self.bench.core.on_local_gone(self.bench.now, client))

    @rule(number=NUMBERS)
    def local_cancel(self, number: int) -> None:
        self.bench.take(self.bench.core.on_local_cancel(self.bench.now, jid(number)))

    @rule()
    def bad_frame_and_proof(self) -> None:
        now, attempt = self.bench.now, self.bench.attempt
        self.bench.take(self.bench.core.on_bad_frame(now, attempt, "bad_schema"))
        self.bench.take(self.bench.core.on_proof_failed(now, attempt, "no"))

    @rule(seconds=st.sampled_from([1.0, 1000.0]), boot_id=st.sampled_from(["b" * 32, "d" * 32]))
    def crash_and_restart(self, seconds: float, boot_id: str) -> None:
        old = self.bench
        self.bench = Bench(
            old.crash(),
            boot_s=old.now.boot + seconds,
            wall_s=old.now.wall + seconds,
            boot_id=boot_id,
        ).start()

    @invariant()
    def a_socket_is_open_exactly_in_the_states_that_have_one(self) -> None:
        assert self.bench.is_open == (self.bench.core.state in WITH_SOCKET)

    @invariant()
    def nothing_left_before_it_was_on_disk(self) -> None:
        on_disk = self.bench.disk.jobs
        for effect in self.bench.done[-30:]:
            if isinstance(effect, ReleaseJob) and effect.after:
                entry = on_disk.get(effect.jid)
                assert entry is None or entry.started is not None or entry.is_acknowledged
            if isinstance(effect, Send) and isinstance(effect.message, Accepted | Started):
                entry = on_disk.get(jid(int(effect.message.jid)))
                assert entry is None or entry.accepted is not None or entry.is_acknowledged

    @invariant()
    def a_job_on_disk_is_live_finished_or_remembered(self) -> None:
        registry = self.bench.core.job_table.registry
        for job, entry in self.bench.disk.jobs.items():
            if entry.is_acknowledged:
                assert registry.seen_jids.why(job) is not None
            elif entry.accepted is not None:
                known = registry.find(job) is not None or registry.seen_jids.why(job) is not None
                assert known, f"{job} is on disk and nobody knows it"


TestAnyOrder = AnyOrder.TestCase
TestAnyOrder.settings = hypothesis_settings(max_examples=60, stateful_step_count=40, deadline=None)


@pytest.mark.parametrize("seed", range(30))
def test_after_any_trouble_a_healthy_master_gets_the_minion_ready_within_the_bound(
    seed: int,
) -> None:
    chance = random.Random(seed)
    bench = Bench(settings=SETTINGS, seed=seed).start()
    for _ in range(60):
        what = chance.choice(["connected", "ready", "refused", "disconnected", "handshake_failed"])
        bench.link(what)  # type: ignore[arg-type]
        bench.advance(chance.choice([0.0, 0.5, 3.0, 6.0]))
    healed = bench.now.boot
    while not bench.core.is_ready:
        assert bench.now.boot - healed < 60 + 17, bench.core.state
        if bench.core.state is State.CONNECTING:
            bench.connect()
        elif bench.core.state is State.GREETING:
            bench.session += 1
            bench.hear(bench.welcome())
        elif bench.core.state is State.SYNCING:
            bench.answer_sync()
        elif bench.core.state is State.ENROLLING:
            bench.enrol_answer("accepted")
        else:
            bench.advance(0.1)


def test_every_effect_that_others_act_on_waits_for_its_record() -> None:
    bench = Bench(is_disk_prompt=False).ready()
    bench.write()
    job = bench.deliver(1)
    bench.write()
    bench.spawn(job)
    bench.write()
    bench.end(job)
    bench.write()
    commits: dict[type, int] = {}
    for effect in bench.effects:
        if isinstance(effect, Persist):
            for record in effect.records:
                commits[type(record)] = effect.commit
    waits = {
        type(effect.message): effect.after for effect in bench.effects if isinstance(effect, Send)
    }
    assert waits[Accepted] == commits[JobAccepted]
    assert waits[Started] == commits[JobStarted]
    assert waits[Return] == commits[JobFinished]
    assert [effect.after for effect in bench.of(ReleaseJob)] == [commits[JobStarted]]
    assert bench.of(KillJob) == []
