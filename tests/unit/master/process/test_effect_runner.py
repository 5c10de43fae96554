"""In which order effects leave: after their commits, and for each client one after the other."""

from typing import Any

import pytest

from limpet.common.clock import Instant, Moment
from limpet.common.control.replies import (
    Event,
    JobEnded,
    JobOutput,
    Jobs,
    JobUpdate,
    MasterStatus,
    MinionResult,
    Refused,
    Reply,
)
from limpet.common.control.requests import ListJobs
from limpet.common.identifiers import Commit, JobId, MinionId, MinionKey
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.messages.fields import Message
from limpet.common.messages.jobs import ReturnAck
from limpet.common.observability.logs import Level, Log
from limpet.common.transport.errors import FrameTooLarge
from limpet.master.control import reply_queue
from limpet.master.core.effects import (
    Answer,
    AnswerEnrolment,
    Client,
    Count,
    DeliveryEnded,
    Disconnect,
    Fetch,
    Peer,
    Persist,
    Publish,
    Query,
    Send,
    Subscribe,
)
from limpet.master.files.reads import Work
from limpet.master.master_keys.key_work import KeyWork
from limpet.master.observability.counters import EventCounters
from limpet.master.pillar import messages
from limpet.master.process.effect_runner import EffectRunner, marks_of_event
from limpet.master.store.operations import PutNote

NOW = Moment(Instant(1.0), 1.0)
KEY = MinionKey("0" * 64)
PEER = Peer(b"\0peer")
ALICE, BOB = Client(1), Client(2)


class World:
    """Everything that a carrier talks to, writing down what it is told."""

    def __init__(self) -> None:
        self.told: list[Any] = []
        self.why: Any = ""
        self.is_store_busy = False
        self.crowded: set[Client] = set()
        self.counters = EventCounters()
        self.log = Log(level=Level.QUIET)
        self.carrier = EffectRunner(
            port=self,
            store=self,
            control=self,
            enrolment=self,
            sources=self,
            pillar=self,
            keys=self,
            log=self.log,
            add_figures=lambda status: status,
            counters=self.counters,
            committed=Commit(10),
        )

    def send(self, peer: Peer, message: Message) -> Any:  # noqa: ANN401
        if isinstance(self.why, Exception):
            raise self.why
        self.told.append(message)
        return self.why

    def write(self, work: KeyWork) -> None:
        self.told.append(work)

    def disconnect(self, peer: Peer) -> None:
        self.told.append("disconnect")

    def submit(self, commit: Commit, operations: Any) -> None:  # noqa: ANN401
        self.told.append(("submit", commit))

    def ask(self, question: Query | Fetch) -> bool:
        self.told.append(("ask", question.client))
        return not self.is_store_busy

    def read(self, ticket: int, work: Work) -> None:
        self.told.append(("read", ticket))

    def render(self, asked: messages.Render, now: Moment) -> None:
        self.told.append(("render", asked.minion))

    def answer(self, who: Any, reply: Reply | EnrolAnswer, now: Any = None) -> None:  # noqa: ANN401
        self.told.append((who, reply))

    def has_room(self, client: Client) -> bool:
        return client not in self.crowded

    def cut(self, client: Client, now: Moment) -> None:
        self.told.append(("cut", client))

    def carry(self, *effects: Any) -> None:  # noqa: ANN401
        self.carrier.carry_out(list(effects), NOW)

    def take(self) -> list[Any]:
        told, self.told = self.told, []
        return told


@pytest.fixture
def world() -> World:
    return World()


def _ack(number: int) -> ReturnAck:
    return ReturnAck(1, f"01HX{number:022d}")


def _event(tag: str) -> Event:
    return Event(tag, 1.0, {})


def test_what_names_a_commit_leaves_after_it_and_the_rest_at_once(world: World) -> None:
    world.carry(
        Persist(Commit(11), (PutNote("a", "b"),)),
        Send(PEER, KEY, _ack(1), Commit(11)),
        Send(PEER, KEY, _ack(2)),
        AnswerEnrolment(7, EnrolAnswer(bytes(16), "pending", 1, ""), Commit(11)),
        Answer(ALICE, JobEnded("j"), Commit(11)),
        Disconnect(PEER, "x"),
        Count("y"),
    )
    assert world.take() == [("submit", 11), _ack(2), "disconnect"]
    assert world.carrier.held == 3
    assert world.carrier.counts == {"y": 1}

    world.carrier.on_committed(Commit(11), NOW)
    told = world.take()
    assert told[0] == _ack(1)
    assert told[1][0] == 7
    assert told[2] == (ALICE, JobEnded("j"))
    assert world.carrier.held == 0


def test_effects_of_an_earlier_commit_do_not_wait_for_a_later_one(world: World) -> None:
    world.carry(
        Send(PEER, KEY, _ack(12), Commit(12)),
        Send(PEER, KEY, _ack(11), Commit(11)),
        Send(PEER, KEY, _ack(13), Commit(11)),
        Send(PEER, KEY, _ack(10), Commit(10)),
    )
    assert world.take() == [_ack(10)]
    world.carrier.on_committed(Commit(11), NOW)
    assert world.take() == [_ack(11), _ack(13)]
    world.carrier.on_committed(Commit(12), NOW)
    assert world.take() == [_ack(12)]


def test_commits_of_one_group_let_go_in_their_order(world: World) -> None:
    world.carry(
        Send(PEER, KEY, _ack(12), Commit(12)),
        Answer(ALICE, JobEnded("late"), Commit(12)),
        Send(PEER, KEY, _ack(11), Commit(11)),
        Send(PEER, KEY, _ack(13), Commit(13)),
    )
    world.carrier.on_committed(Commit(12), NOW)
    assert world.take() == [_ack(11), _ack(12), (ALICE, JobEnded("late"))]
    assert world.carrier.held == 1


def test_a_client_hears_things_in_order_and_does_not_hold_up_another(world: World) -> None:
    world.carry(
        Answer(ALICE, JobEnded("first"), Commit(11)),
        Answer(ALICE, JobEnded("second")),
        Answer(BOB, JobEnded("other")),
    )
    assert world.take() == [(BOB, JobEnded("other"))]
    world.carrier.on_committed(Commit(11), NOW)
    assert world.take() == [(ALICE, JobEnded("first")), (ALICE, JobEnded("second"))]


def test_what_follows_a_question_to_the_store_waits_for_its_answer(world: World) -> None:
    world.carry(
        Query(ALICE, ListJobs(limit=1), Commit(11)),
        Answer(ALICE, JobEnded("after")),
        Fetch(ALICE, JobId("j"), MinionId("web1")),
        Answer(ALICE, JobEnded("last")),
    )
    assert world.take() == []
    world.carrier.on_committed(Commit(11), NOW)
    assert world.take() == [("ask", ALICE)]
    world.carrier.on_answered(ALICE, (Jobs(()),), NOW)
    assert world.take() == [(ALICE, Jobs(())), (ALICE, JobEnded("after")), ("ask", ALICE)]
    world.carrier.on_answered(ALICE, (), NOW)
    assert world.take() == [(ALICE, JobEnded("last"))]
    world.carry(Answer(ALICE, JobEnded("free again")))
    assert world.take() == [(ALICE, JobEnded("free again"))]


def test_a_store_that_takes_no_more_questions_is_said_so(world: World) -> None:
    world.is_store_busy = True
    world.carry(Query(ALICE, ListJobs(limit=1)), Answer(ALICE, JobEnded("next")))
    asked, (client, refused), last = world.take()
    assert asked == ("ask", ALICE)
    assert client == ALICE
    assert isinstance(refused, Refused)
    assert refused.reason == "busy"
    assert last == (ALICE, JobEnded("next"))


def test_a_client_that_has_gone_is_forgotten_with_all_that_waited_for_it(world: World) -> None:
    world.carry(
        Subscribe(ALICE),
        Answer(ALICE, JobEnded("never"), Commit(11)),
        Query(ALICE, ListJobs(limit=1)),
    )
    world.carrier.on_client_gone(ALICE)
    world.carrier.on_committed(Commit(11), NOW)
    world.carrier.on_answered(ALICE, (Jobs(()),), NOW)
    world.carry(Publish(_event("x")))
    assert world.take() == []
    assert world.carrier.held == 0


def test_events_go_to_those_who_follow_them_after_their_commit(world: World) -> None:
    world.carry(Subscribe(ALICE), Publish(_event("a"), Commit(11)), Publish(_event("b")))
    assert world.take() == [(ALICE, _event("b"))]
    world.carrier.on_committed(Commit(11), NOW)
    assert world.take() == [(ALICE, _event("a"))]


def test_the_end_of_a_delivery_is_counted_and_told_to_those_who_follow_events(world: World) -> None:
    ended = DeliveryEnded(JobId("01J"), MinionId("web1"), "ok", "test.ping", 4.5, 5.0, Commit(11))
    world.carry(ended)
    assert not world.counters.returns
    world.carrier.on_committed(Commit(11), NOW)
    assert world.counters.returns == {"ok": 1}
    assert world.take() == []
    world.carry(Subscribe(ALICE), ended)
    event = Event("job/01J/return/web1", 5.0, {"status": "ok", "function": "test.ping"})
    assert world.take() == [(ALICE, event)]
    assert world.counters.returns == {"ok": 2}


def test_sends_that_are_not_taken_are_kept_for_the_core(world: World) -> None:
    world.why = "full"
    world.carry(Send(PEER, KEY, _ack(1)))
    assert list(world.carrier.failed) == [(PEER, "full")]


def test_a_message_that_no_minion_would_take_is_dropped_and_counted(world: World) -> None:
    world.why = FrameTooLarge(10, 5)
    world.carry(Send(PEER, KEY, _ack(1)))
    assert not world.carrier.failed
    assert world.carrier.counts == {"own_frame_too_large": 1}


def test_the_status_is_completed_by_the_shell(world: World) -> None:
    status = MasterStatus("1", 1.0, "s", 1, 0, 0, {}, {}, ())
    world.carrier._reply_queue._add_figures = lambda found: MasterStatus(
        found.version, 1.0, "s", 1, 0, 0, {"x": 1}, {}, ()
    )
    world.carry(Answer(ALICE, status))
    ((_, told),) = world.take()
    assert told.rejected == {"x": 1}


@pytest.mark.parametrize(
    "tag, marks",
    [
        ("minion/web1/lost", {"minion": "web1"}),
        ("key/web1/pending", {"minion": "web1"}),
        ("job/01J/ended", {"jid": "01J"}),
        ("job/01J/return/web1", {"jid": "01J", "minion": "web1"}),
        ("master/start", {}),
    ],
)
def test_what_an_event_is_about_is_told_apart_for_the_journal(
    tag: str, marks: dict[str, str]
) -> None:
    assert marks_of_event(tag) == {"event": tag, **marks}


def _update(minion: str, body: bytes) -> JobUpdate:
    return JobUpdate("j", MinionResult(minion, "ok", 1.0, "", 0, body, 1.0, 1.0, False))


def test_a_client_with_much_to_read_is_told_on_when_it_has_read(world: World) -> None:
    small, large = _update("web1", b"x"), _update("web2", b"x" * 5000)
    world.crowded.add(ALICE)
    world.carry(
        Answer(ALICE, small),
        Answer(ALICE, large),
        Fetch(ALICE, JobId("j"), MinionId("web3")),
        Answer(ALICE, JobEnded("j")),
        Answer(BOB, large),
    )
    assert world.take() == [(BOB, large)], "the others are not held up"
    assert not world.carrier.go_on(NOW)
    assert world.take() == []

    world.crowded.clear()
    assert world.carrier.go_on(NOW)
    # The large one was not kept: it is asked for, and what follows waits behind it as ever.
    assert world.take() == [(ALICE, small), ("ask", ALICE)]
    world.carrier.on_answered(ALICE, (large,), NOW)
    assert world.take() == [(ALICE, large), ("ask", ALICE)]
    world.crowded.add(ALICE)
    world.carrier.on_answered(ALICE, (_update("web3", b"y"),), NOW)
    assert world.take() == []
    assert not world.carrier.can_go_on
    world.crowded.clear()
    assert world.carrier.can_go_on
    assert world.carrier.go_on(NOW)
    assert world.take() == [(ALICE, _update("web3", b"y")), (ALICE, JobEnded("j"))]
    assert world.carrier.held == 0
    assert not world.carrier.go_on(NOW)


def test_a_client_that_goes_while_it_has_much_to_read_is_forgotten(world: World) -> None:
    world.crowded.add(ALICE)
    world.carry(Answer(ALICE, JobEnded("j")))
    world.carrier.on_client_gone(ALICE)
    world.crowded.clear()
    assert not world.carrier.go_on(NOW)
    assert world.carrier.held == 0


def test_a_client_that_has_read_before_it_is_looked_for_is_told_once(world: World) -> None:
    world.carry(Subscribe(ALICE))
    world.crowded.add(ALICE)
    world.carry(Answer(ALICE, JobEnded("j")))
    world.crowded.clear()
    world.carry(Publish(_event("b")))
    assert world.take() == [(ALICE, JobEnded("j")), (ALICE, _event("b"))]
    assert not world.carrier.go_on(NOW)


def test_a_commit_lets_go_what_waited_for_a_client_that_has_read_meanwhile(world: World) -> None:
    world.crowded.add(ALICE)
    world.carry(Answer(ALICE, Jobs(())))
    world.crowded.clear()
    world.carrier.on_committed(Commit(11), NOW)
    assert world.take() == [(ALICE, Jobs(()))]
    assert not world.carrier.go_on(NOW)


def _output(minion: str, data: bytes, dropped_bytes: int = 0) -> JobOutput:
    return JobOutput("j", minion, data, dropped_bytes)


def test_live_output_that_there_is_no_room_for_is_dropped_and_told_in_its_place(
    world: World,
) -> None:
    world.crowded.add(ALICE)
    for _ in range(20_000):
        world.carry(Answer(ALICE, _output("web1", bytes(16 * 1024))))
    world.carry(Answer(ALICE, _output("web2", b"xy", dropped_bytes=5)))
    world.carry(Answer(ALICE, JobEnded("j")))
    assert world.carrier.held == 3
    assert world.carrier._reply_queue.weight < 10_000
    assert world.carrier.counts["cli_output_dropped"] == 20_001

    world.crowded.clear()
    assert world.carrier.go_on(NOW)
    assert world.take() == [
        (ALICE, _output("web1", b"", 20_000 * 16 * 1024)),
        (ALICE, _output("web2", b"", 7)),
        (ALICE, JobEnded("j")),
    ]
    assert world.carrier._reply_queue.weight == 0


def test_live_output_behind_a_commit_that_does_not_come_is_bounded(world: World) -> None:
    """A full disk: what is true only after the commit waits, and the job goes on talking."""
    world.carry(Answer(ALICE, _update("web1", b"x"), Commit(11)))
    for _ in range(1_000):
        world.carry(Answer(ALICE, _output("web2", bytes(16 * 1024))))
    assert world.carrier._reply_queue.weight < 2 * reply_queue.STREAM_BYTES_MAX
    world.carrier.on_committed(Commit(11), NOW)
    told = [reply for _, reply in world.take() if isinstance(reply, JobOutput)]
    assert sum(len(each.data) + each.dropped_bytes for each in told) == 1_000 * 16 * 1024
    assert told[0].data
    world.carry(Answer(ALICE, _output("web2", b"more")))
    assert world.take() == [(ALICE, _output("web2", b"more"))]


def test_events_that_there_is_no_room_for_are_counted_in_their_place(world: World) -> None:
    world.carry(Subscribe(ALICE), Publish(_event("first")))
    world.crowded.add(ALICE)
    world.carry(*(Publish(_event(f"n/{number}")) for number in range(7)))
    assert world.carrier.held == 1
    world.crowded.clear()
    world.carry(Publish(_event("last")))
    assert world.take() == [
        (ALICE, _event("first")),
        (ALICE, Event("events/dropped", 1.0, {"count": "7"})),
        (ALICE, _event("last")),
    ]
    assert world.carrier.counts["events_dropped"] == 7


def test_of_each_minion_only_the_latest_word_waits_for_a_client_that_reads_slowly(
    world: World,
) -> None:
    waiting = [_update(f"web{number}", b"x") for number in range(3)]
    world.carry(*(Answer(ALICE, each, Commit(11)) for each in waiting))
    world.crowded.add(ALICE)
    large = _update("web0", b"x" * 5000)
    for _ in range(5):
        world.carry(*(Answer(ALICE, each, Commit(12)) for each in (*waiting[1:], large)))
        world.carry(Fetch(ALICE, JobId("j"), MinionId("web2"), Commit(12)))
    assert world.carrier.held == 3
    assert world.carrier._reply_queue.weight < 3_000
    world.crowded.clear()
    world.carrier.on_committed(Commit(12), NOW)
    assert world.take() == [(ALICE, waiting[1]), ("ask", ALICE)]


def test_over_what_may_wait_for_all_the_client_with_most_is_cut(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reply_queue, "WAITING_BYTES_MAX", 3_000_000)
    clients = [Client(number) for number in range(100)]
    world.crowded.update(clients)
    world.carry(*(Answer(ALICE, _update(f"web{n}", b"x" * 250)) for n in range(2_000)))
    for minion in range(2_000):
        update = _update(f"web{minion}", b"x" * 250)
        world.carry(*(Answer(client, update) for client in clients))
        assert world.carrier._reply_queue.weight <= 3_000_000 + 100 * reply_queue.LOOKED_AT_BYTES
    assert ("cut", ALICE) in world.take()
