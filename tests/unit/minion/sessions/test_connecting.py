"""From the master's name to a session, and back after failures."""

import pytest

from limpet.common.clock import to_micros
from limpet.common.identifiers import Attempt, JournalId, MinionId
from limpet.common.messages.session import Busy, Denied, Hello, SyncPage
from limpet.common.transport.events import LinkEvent
from limpet.minion.core.effects import CloseSocket, OpenSocket, Reexec, Resolve
from limpet.minion.core.settings import LinkSettings, MasterPlace
from limpet.minion.journal.records import JournalState, Note, replay
from limpet.minion.sessions.states import State
from support.minion.minion_bench import SETTINGS, Bench, message_names

NAMED = LinkSettings(MinionId("web1"), "master.example", "aa" * 32)


def resolve(bench: Bench, *addresses: str) -> None:
    """Let the resolver answer the last question."""
    attempt = bench.of(Resolve)[-1].attempt
    bench.take(bench.core.on_resolved(bench.now, attempt, addresses))


def opened(bench: Bench) -> list[str]:
    """Give the addresses of all sockets, in order."""
    return [effect.address for effect in bench.of(OpenSocket)]


def test_a_minion_resolves_connects_greets_and_syncs() -> None:
    bench = Bench(settings=NAMED).start()
    assert bench.state() is State.RESOLVING
    resolve(bench, "10.0.0.1")
    assert bench.state() is State.CONNECTING
    bench.link("connected")
    assert bench.state() is State.CONNECTING
    bench.link("ready")
    assert bench.state() is State.GREETING
    bench.hear(bench.welcome())
    assert bench.state() is State.SYNCING
    bench.answer_sync()
    assert bench.state() is State.READY
    assert message_names(bench) == ["Hello", "SyncPage", "Beat"]
    opened_one = OpenSocket(Attempt(2), "main", "10.0.0.1", 4506, False, NAMED.server_key, 3.0)
    assert bench.of(OpenSocket) == [opened_one]


def test_a_numeric_address_needs_no_resolver() -> None:
    for host in ("10.0.0.1", "2001:db8::1"):
        settings = LinkSettings(MinionId("web1"), host, "aa" * 32)
        bench = Bench(settings=settings).start()
        assert bench.of(Resolve) == []
        assert opened(bench) == [host]


@pytest.mark.covers("A9", "A11")
def test_a_name_that_cannot_be_resolved_is_asked_for_again_for_ever_and_not_in_a_rush() -> None:
    bench = Bench(settings=NAMED).start()
    for _ in range(500):
        resolve(bench)
        assert bench.state() is State.BACKOFF
        bench.advance_to(State.RESOLVING)
    assert len(bench.of(Resolve)) == 501
    assert bench.now.boot - 1000 > 300  # about a second each
    resolve(bench, "10.0.0.1")
    assert bench.state() is State.CONNECTING


@pytest.mark.covers("A9", "B6")
def test_a_resolver_that_never_answers_costs_three_seconds() -> None:
    bench = Bench(settings=NAMED).start()
    bench.advance(2.9)
    assert bench.state() is State.RESOLVING
    bench.advance(0.2)
    assert bench.state() in (State.BACKOFF, State.RESOLVING)
    assert len(bench.reports()) == 2


@pytest.mark.covers("B6")
def test_without_resolver_the_address_that_worked_last_is_tried() -> None:
    bench = Bench(settings=NAMED).start()
    resolve(bench, "10.0.0.1", "10.0.0.2")
    bench.link("refused")
    bench.connect()
    bench.hear(bench.welcome())
    bench.answer_sync()
    again = Bench(bench.crash(), settings=NAMED).start()
    again.advance(3.1)
    assert opened(again) == ["10.0.0.2"]


@pytest.mark.covers("A14")
def test_a_refused_address_leads_to_the_next_without_a_pause() -> None:
    bench = Bench(settings=NAMED).start()
    resolve(bench, "10.0.0.1", "10.0.0.2", "2001:db8::1")
    for _ in range(2):
        bench.link("refused")
    assert opened(bench) == ["10.0.0.1", "2001:db8::1", "10.0.0.2"]
    bench.link("refused")
    assert bench.state() is State.BACKOFF


@pytest.mark.covers("A14")
def test_a_silent_address_leads_to_the_next_after_three_seconds() -> None:
    bench = Bench(settings=NAMED).start()
    resolve(bench, "2001:db8::1", "10.0.0.1")
    bench.advance(3.1)
    assert opened(bench) == ["2001:db8::1", "10.0.0.1"]
    bench.connect()
    assert bench.state() is State.GREETING


@pytest.mark.covers("B5")
def test_the_name_is_looked_up_anew_at_every_attempt() -> None:
    bench = Bench(settings=NAMED).start()
    resolve(bench, "10.0.0.1")
    bench.link("refused")
    bench.advance_to(State.RESOLVING)
    resolve(bench, "10.0.0.99")
    assert opened(bench) == ["10.0.0.1", "10.0.0.99"]


@pytest.mark.covers("A18")
def test_a_master_with_several_places_is_looked_for_at_each_in_turn() -> None:
    others = (MasterPlace("10.0.0.2", 14506, 14505),)
    settings = LinkSettings(MinionId("web1"), "10.0.0.1", "aa" * 32, others=others)
    bench = Bench(settings=settings).start()
    for _ in range(3):
        bench.link("refused")
        bench.advance_to(State.CONNECTING)
    assert [(effect.address, effect.number) for effect in bench.of(OpenSocket)] == [
        ("10.0.0.1", 4506),
        ("10.0.0.2", 14506),
        ("10.0.0.1", 4506),
        ("10.0.0.2", 14506),
    ]


def test_an_address_that_comes_late_is_taken_by_the_next_attempt() -> None:
    bench = Bench(settings=NAMED).start()
    first = bench.of(Resolve)[-1].attempt
    bench.advance_to(State.BACKOFF)
    bench.take(bench.core.on_resolved(bench.now, first, ("10.9.9.9",)))
    assert opened(bench) == []
    bench.advance_to(State.RESOLVING)
    bench.advance_to(State.CONNECTING)
    assert opened(bench) == ["10.9.9.9"]


def test_an_address_that_comes_late_answers_the_question_that_is_open() -> None:
    bench = Bench(settings=NAMED).start()
    first = bench.of(Resolve)[-1].attempt
    bench.advance(3.1)
    bench.advance_to(State.RESOLVING)
    bench.take(bench.core.on_resolved(bench.now, first, ("10.9.9.9",)))
    assert opened(bench) == ["10.9.9.9"]
    bench.take(bench.core.on_resolved(bench.now, Attempt(99), ("10.8.8.8",)))
    assert opened(bench) == ["10.9.9.9"]


def in_session(addresses: str) -> Bench:
    """Give a minion that was READY at addresses, of which the last session has just been lost."""
    journal = JournalState(journal_id=JournalId("c" * 32))
    replay(journal, Note("is_accepted", "1"))
    replay(journal, Note("addresses", addresses))
    return Bench(journal, settings=NAMED).start()


def dead(bench: Bench) -> None:
    """Let nothing answer at the present address."""
    bench.advance(3.001)


@pytest.mark.covers("B5")
def test_a_master_that_moved_is_dialled_where_its_name_leads_now_and_nowhere_else() -> None:
    bench = in_session("10.0.0.1")
    resolve(bench, "10.0.0.2")
    assert opened(bench) == ["10.0.0.2"]
    dead(bench)
    bench.advance_to(State.RESOLVING)
    resolve(bench, "10.0.0.2")
    assert set(opened(bench)) == {"10.0.0.2"}


@pytest.mark.covers("B5")
def test_an_old_address_that_the_name_still_has_costs_three_seconds_at_most() -> None:
    bench = in_session("10.0.0.1")
    began = bench.now.boot
    resolve(bench, "10.0.0.2", "10.0.0.1")
    assert opened(bench) == ["10.0.0.1"]
    dead(bench)
    assert opened(bench) == ["10.0.0.1", "10.0.0.2"]
    assert bench.now.boot - began < 3.1


@pytest.mark.covers("A9", "B5")
def test_a_slow_name_server_leads_to_the_new_address_all_the_same() -> None:
    bench = in_session("10.0.0.1")
    for _ in range(3):  # each answer takes longer than an attempt waits for it
        asked = bench.of(Resolve)[-1].attempt
        bench.advance_to(State.CONNECTING)
        bench.take(bench.core.on_resolved(bench.now, asked, ("10.0.0.2",)))
        if "10.0.0.2" in opened(bench):
            break
        bench.advance_to(State.RESOLVING)
    assert opened(bench) == ["10.0.0.1", "10.0.0.2"]


@pytest.mark.covers("A9", "B5")
def test_while_names_are_not_answered_old_addresses_are_tried_and_then_the_new_one() -> None:
    bench = in_session("10.0.0.1 10.0.0.3")
    for _ in range(20):
        resolve(bench)
        bench.advance_to(State.RESOLVING)
    assert set(opened(bench)) == {"10.0.0.1", "10.0.0.3"}
    resolve(bench, "10.0.0.2")
    assert opened(bench)[-1] == "10.0.0.2"
    bench.connect()
    bench.hear(bench.welcome())
    bench.answer_sync()
    assert bench.core.notes.addresses[0] == "10.0.0.2"


@pytest.mark.covers("A1")
@pytest.mark.parametrize("state", [State.CONNECTING, State.GREETING, State.WAITING, State.SYNCING])
def test_silence_in_any_state_of_the_handshake_ends_in_a_new_socket(state: State) -> None:
    bench = Bench().start()
    if state is not State.CONNECTING:
        bench.connect()
    if state is State.WAITING:
        bench.hear(Busy(bench.last(Hello).nonce, 0))
    if state is State.SYNCING:
        bench.hear(bench.welcome())
    assert bench.state() is state
    limits = {State.CONNECTING: 3, State.GREETING: 5, State.WAITING: 60, State.SYNCING: 5}
    bench.advance(limits[state] - 0.01)
    assert bench.state() is state
    bench.advance(0.5)
    assert bench.of(CloseSocket) == [CloseSocket(Attempt(2))]
    bench.advance_to(State.CONNECTING)
    assert len(bench.of(OpenSocket)) == 2


@pytest.mark.parametrize(("fleet", "seconds"), [(0, 3), (900, 3), (3000, 10), (50_000, 20)])
def test_where_tcp_stands_a_large_fleet_waits_for_its_turn_of_the_handshake(
    fleet: int, seconds: float
) -> None:
    bench = Bench(JournalState(notes={"is_accepted": "1", "fleet": str(fleet)})).start()
    assert bench.of(OpenSocket)[-1].handshake_s == seconds
    bench.advance(1.0)
    bench.link("connected")
    bench.advance(1.0)
    bench.link("connected")  # told twice: nobody waits longer for it
    bench.advance(seconds - 2.01)
    assert bench.state() is State.CONNECTING
    bench.advance(0.02)
    assert bench.state() is State.BACKOFF
    assert bench.core.link.connection.changes[-1].reason == "handshake_silent"


def test_where_tcp_does_not_stand_no_fleet_is_large_enough_to_wait() -> None:
    bench = Bench(JournalState(notes={"is_accepted": "1", "fleet": "50000"})).start()
    bench.advance(3.01)
    assert bench.state() is State.BACKOFF
    assert bench.core.link.connection.changes[-1].reason == "unreachable"


@pytest.mark.covers("A1", "B10")
@pytest.mark.parametrize("what", ["disconnected", "handshake_failed", "refused"])
@pytest.mark.parametrize("state", list(State))
def test_the_end_of_the_connection_in_any_state_ends_in_a_new_socket(
    what: str, state: State
) -> None:
    bench = Bench().start()
    if state in (State.GREETING, State.WAITING, State.SYNCING, State.READY):
        bench.connect()
    if state is State.WAITING:
        bench.hear(Busy(bench.last(Hello).nonce, 0))
    if state in (State.SYNCING, State.READY):
        bench.hear(bench.welcome())
    if state is State.READY:
        bench.answer_sync()
    bench.link(what)  # type: ignore[arg-type]
    assert bench.state() is State.BACKOFF
    assert not bench.is_open
    bench.come_back()


@pytest.mark.covers("A19")
def test_a_welcome_with_another_nonce_is_ignored() -> None:
    bench = Bench().start().connect()
    bench.hear(bench.welcome(nonce=b"0" * 16))
    assert bench.state() is State.GREETING
    old = bench.welcome()
    bench.advance(5.1)
    bench.advance_to(State.CONNECTING)
    bench.connect()
    bench.hear(old)
    assert bench.state() is State.GREETING


def test_a_busy_master_calls_the_minion_in_on_the_same_connection() -> None:
    bench = Bench().start().connect()
    for _ in range(4):
        bench.hear(Busy(bench.last(Hello).nonce, to_micros(10)))
        assert bench.state() is State.WAITING
        bench.advance(10)
    bench.hear(bench.welcome())
    bench.answer_sync()
    assert bench.core.is_ready
    assert len(bench.of(OpenSocket)) == 1


@pytest.mark.covers("B18")
def test_being_told_to_wait_again_does_not_lengthen_the_wait() -> None:
    bench = Bench().start().connect()
    for _ in range(7):
        bench.hear(Busy(bench.last(Hello).nonce, to_micros(60)))
        bench.advance(8)
    assert bench.state() is State.WAITING
    bench.advance(5)
    assert bench.state() is not State.WAITING


@pytest.mark.covers("B18")
def test_a_busy_master_that_falls_silent_is_left_soon() -> None:
    bench = Bench().start().connect()
    bench.hear(Busy(bench.last(Hello).nonce, to_micros(5)))
    bench.advance(14)
    assert bench.state() is State.WAITING
    bench.hear(Busy(bench.last(Hello).nonce, to_micros(5)))
    bench.advance(14)
    assert bench.state() is State.WAITING
    bench.advance(2)
    assert bench.state() is not State.WAITING


@pytest.mark.covers("B18")
def test_events_of_this_host_move_no_deadline() -> None:
    bench = Bench().start().connect()
    deadline = bench.core.next_deadline
    for _ in range(50):
        bench.pass_time(0.09)
        bench.link("connected")
        bench.take(bench.core.on_bad_frame(bench.now, bench.attempt, "bad_schema"))
        bench.take(bench.core.on_deadline(bench.now))
    assert bench.state() is State.GREETING
    assert bench.core.next_deadline == deadline


@pytest.mark.covers("A16")
def test_a_master_of_an_unknown_protocol_is_asked_again_later() -> None:
    bench = Bench().start().connect()
    bench.hear(bench.welcome(protocol=99))
    assert bench.state() is State.DENIED
    bench.come_back()


@pytest.mark.parametrize("reason", ["cloned", "protocol", "stopping"])
def test_denied_for_now_means_asking_again_on_the_main_port(reason: str) -> None:
    bench = Bench().start().connect()
    bench.hear(Denied(bench.last(Hello).nonce, reason, "", 0))  # type: ignore[arg-type]
    assert bench.state() is State.DENIED
    assert not bench.is_open
    bench.advance(11)
    assert bench.state() is State.DENIED
    bench.advance_to(State.CONNECTING, 8)
    assert bench.of(OpenSocket)[-1].port == "main"


@pytest.mark.covers("E4")
def test_the_master_may_say_when_to_ask_again() -> None:
    bench = Bench().start().connect()
    bench.hear(Denied(bench.last(Hello).nonce, "stopping", "", to_micros(2)))
    bench.advance(1.4)
    assert bench.state() is State.DENIED
    bench.advance_to(State.CONNECTING, 1.2)


@pytest.mark.covers("A12", "B9")
def test_three_days_without_a_master_end_in_a_session_within_seconds() -> None:
    bench = Bench().start()
    for _ in range(200):
        bench.link("refused")
        bench.advance_to(State.CONNECTING)
    bench.pass_time(3 * 24 * 3600)
    bench.advance(2)
    started = bench.now.boot
    bench.come_back(10)
    assert bench.now.boot - started <= 5


def test_five_failures_in_a_row_lead_to_a_new_context_and_so_on() -> None:
    bench = Bench().start()
    for _ in range(12):
        bench.link("refused")
        bench.advance_to(State.CONNECTING)
    contexts = [n for n, effect in enumerate(bench.of(OpenSocket)) if effect.is_new_context]
    assert contexts == [5, 10]


def test_ten_minutes_of_failures_while_tcp_connects_start_the_process_afresh() -> None:
    bench = Bench(settings=SETTINGS).start()
    began = bench.now.boot
    while not bench.of(Reexec) and bench.now.boot - began < 2000:
        bench.link("connected")
        bench.advance(3.1)
        bench.advance_to(State.CONNECTING)
    assert 600 <= bench.now.boot - began < 700
    assert bench.state() is State.CONNECTING, "the trying goes on all the same"


def test_a_master_that_is_not_there_is_no_reason_to_start_the_process_afresh() -> None:
    bench = Bench().start()
    began = bench.now.boot
    while bench.now.boot - began < 2000:
        bench.link("refused")
        bench.advance_to(State.CONNECTING)
    assert bench.of(Reexec) == []


def test_a_minion_that_was_never_accepted_begins_on_the_enrolment_port() -> None:
    bench = Bench(JournalState(journal_id=JournalId("c" * 32))).start()
    assert bench.of(OpenSocket)[0].port == "enrol"
    assert bench.of(OpenSocket)[0].number == 4505


def test_a_journal_without_identity_gets_one_that_is_durable_before_it_is_told() -> None:
    bench = Bench(JournalState(), is_disk_prompt=False)
    replay(bench.disk, Note("is_accepted", "1"))
    bench = Bench(bench.disk, is_disk_prompt=False).start().connect()
    assert bench.sent(Hello) == []
    bench.write()
    assert bench.last(Hello).journal_id == bench.disk.journal_id


def test_each_hello_has_a_higher_counter_and_tells_why_the_last_session_ended() -> None:
    bench = Bench().ready()
    bench.link("disconnected")
    bench.come_back()
    first, second = bench.sent(Hello)
    assert (first.last_loss, second.last_loss) == ("", "disconnected")
    assert second.link_counter > first.link_counter
    assert second.nonce != first.nonce


@pytest.mark.parametrize("entries", [0, 1, 499, 500, 501, 1000])
def test_sync_tells_all_jobs_in_pages_each_answered_before_the_next(entries: int) -> None:
    bench = Bench().ready()
    for number in range(entries):
        job = bench.deliver(number)
        bench.spawn(job)
        bench.end(job)
    bench.link("disconnected")
    bench.advance_to(State.CONNECTING)
    bench.connect()
    before = len(bench.sent(SyncPage))
    bench.hear(bench.welcome())
    while not bench.core.is_ready:
        asked = len(bench.sent(SyncPage))
        bench.answer_sync()
        assert bench.core.is_ready or len(bench.sent(SyncPage)) == asked + 1
    pages = bench.sent(SyncPage)[before:]
    assert sum(len(page.entries) for page in pages) == entries
    assert [page.is_last for page in pages] == [False] * (len(pages) - 1) + [True]
    assert len(pages) == max(1, -(-entries // 500))


@pytest.mark.parametrize(
    "event, advice",
    [
        ("refused", "refused (1 in a row): nobody listens at that port; is the master running?"),
        ("handshake_failed", "compare with `limpet keys show --master` there"),
    ],
)
def test_a_failure_says_what_to_look_at(event: LinkEvent, advice: str) -> None:
    bench = Bench().start()
    bench.link(event)
    assert advice in bench.reports()[-1]
