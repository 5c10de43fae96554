"""Who is there: greetings, beats, SYNC, loss, clones, as the master sees them."""

import msgspec
import pytest

from limpet.common.control.replies import MinionRow, Minions
from limpet.common.control.requests import ListMinions
from limpet.common.messages.fields import Message
from limpet.common.messages.session import (
    Beat,
    Busy,
    Denied,
    Drain,
    MasterBeat,
    Regreet,
    SyncPage,
    Welcome,
)
from limpet.master.core.settings import MasterSettings
from support.master.master_bench import WALL_S, Bench, MinionOnBench, key_of


def row(bench: Bench, name: str) -> MinionRow:
    (reply,) = bench.ask(99, ListMinions(name))
    assert isinstance(reply, Minions)
    (found,) = reply.minions
    return found


def state(bench: Bench, name: str = "web1") -> str:
    return row(bench, name).state


def tags(bench: Bench) -> list[str]:
    return [event.tag for event in bench.events]


def test_a_minion_that_greets_and_syncs_is_ready() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    assert state(bench) == "never seen"

    hello = web1.hello()
    (welcome,) = web1.say(hello)
    assert isinstance(welcome, Welcome)
    assert welcome.nonce == hello.nonce
    assert welcome.minion_id == "web1"
    assert (welcome.beat_interval, welcome.fleet) == (5_000_000, 1)
    assert welcome.wants_grains
    assert state(bench) == "syncing"

    web1.take([welcome])
    answer = web1.sync()
    assert (answer.page, answer.verdicts) == (0, ())
    assert state(bench) == "ready"
    assert tags(bench)[-1] == "minion/web1/ready"


def test_the_store_id_is_told_only_once_it_is_durable() -> None:
    bench = Bench(["web1"], disk_is_slow=True)
    web1 = MinionOnBench(bench, "web1")
    assert web1.greet() == []
    bench.commit()
    (welcome,) = bench.messages(web1.peer, Welcome)
    assert isinstance(welcome, Welcome)
    assert welcome.store_id == bench.store.notes["store_id"]


def test_each_beat_is_echoed_at_once_with_the_durable_commit() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    (echo,) = web1.beat()
    assert isinstance(echo, MasterBeat)
    assert (echo.number, echo.echo, echo.store_commit) == (1, 1, bench.told(bench.store.commit))
    (echo,) = web1.beat()
    assert isinstance(echo, MasterBeat)
    assert (echo.number, echo.echo) == (2, 2)


def test_a_beat_causes_no_commit() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    before = bench.store.commit
    for _ in range(8):
        bench.advance(5)
        web1.beat()
    assert bench.store.commit == before
    assert state(bench) == "ready"


def test_the_master_beats_by_itself_when_it_has_sent_none_for_a_while() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    bench.advance(6.2)
    assert bench.messages(web1.peer, MasterBeat) == []
    bench.advance(0.1)
    assert len(bench.messages(web1.peer, MasterBeat)) == 1


@pytest.mark.covers("B13", "B14")
def test_silence_of_three_beats_ends_the_session_and_the_minion_is_offline() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    bench.advance(14.9)
    assert state(bench) == "ready"
    bench.advance(0.2)
    assert state(bench) == "offline"
    assert web1.peer in bench.disconnected
    assert row(bench, "web1").since_s == WALL_S  # last heard
    assert row(bench, "web1").last_loss == "silent"


@pytest.mark.covers("B12")
def test_beats_that_echo_nothing_keep_nobody_alive() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    for number in range(1, 5):
        web1.say(Beat(web1.session, number, 0, (), ""))
        bench.advance(4)
    assert state(bench) == "reconnecting"  # heard 4 s ago, but the master is not heard there


def test_a_lost_connection_is_reconnecting_until_fifteen_seconds_of_silence() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    bench.advance(4)
    web1.beat()
    bench.carry_out(bench.core.on_peer_gone(bench.now, web1.peer))
    assert state(bench) == "reconnecting"
    bench.advance(14.9)
    assert state(bench) == "reconnecting"
    bench.advance(0.2)
    assert state(bench) == "offline"
    assert tags(bench)[-2:] == ["minion/web1/lost", "minion/web1/offline"]


def test_a_late_loop_judges_nobody_until_it_has_caught_up() -> None:
    bench = Bench(["web1", "web2"])
    web1, web2 = MinionOnBench(bench, "web1"), MinionOnBench(bench, "web2")
    web1.connect()
    web2.connect()
    bench.t += 10  # the loop is late; the beats of web1 wait in the socket
    bench.carry_out(bench.core.on_deadline(bench.now))
    web1.beat()
    web1.beat()
    bench.advance(4)
    assert state(bench, "web2") == "ready"
    bench.advance(2)
    assert state(bench, "web1") == "ready"
    assert state(bench, "web2") == "offline"


@pytest.mark.covers("C15")
@pytest.mark.parametrize("stopped_s", [20, 75, 3600])
def test_after_a_standstill_of_the_master_nobody_is_offline_who_comes_back(
    stopped_s: float,
) -> None:
    bench = Bench(["web1", "web2"])
    web1, web2 = MinionOnBench(bench, "web1"), MinionOnBench(bench, "web2")
    web1.connect()
    web2.connect()
    bench.t += stopped_s  # both have given up on it meanwhile
    bench.carry_out(bench.core.on_deadline(bench.now))
    bench.carry_out(bench.core.on_peer_gone(bench.now, web1.peer))
    bench.carry_out(bench.core.on_peer_gone(bench.now, web2.peer))
    assert state(bench, "web1") == state(bench, "web2") == "reconnecting"
    bench.advance(10)
    assert state(bench, "web1") == "reconnecting"
    web1.connect()
    for _ in range(2):
        bench.advance(3)
        web1.beat()
    assert state(bench, "web1") == "ready"
    assert state(bench, "web2") == "offline"


@pytest.mark.covers("C15")
def test_a_frame_of_an_unknown_session_is_told_to_greet_again_once_a_second() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    session = web1.session
    bench.crash()
    assert web1.beat() == [Regreet(session)]
    assert web1.beat() == []
    bench.advance(1.0)
    assert web1.beat() == [Regreet(session)]
    web1.take(web1.say(web1.greeting()))  # on the same socket
    web1.sync()
    assert state(bench) == "ready"


def test_after_a_restart_those_who_were_ready_are_waited_for() -> None:
    bench = Bench(["web1", "web2"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    bench.advance(100)
    web1.connect()
    for _ in range(2):
        bench.advance(5)
        web1.beat()
    bench.crash(down_s=3)
    assert state(bench, "web1") == "reconnecting"
    assert state(bench, "web2") == "never seen"
    bench.advance(29.9)
    assert state(bench, "web1") == "reconnecting"
    bench.advance(0.2)
    assert state(bench, "web1") == "offline"
    assert row(bench, "web1").since_s >= WALL_S + 60  # as of the last note that the master lived
    bench.crash()
    assert state(bench, "web1") == "offline"


def test_coming_back_unchanged_after_a_restart_writes_nothing() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    bench.crash()
    before = bench.store.commit
    web1.connect()
    assert state(bench) == "ready"
    assert bench.store.commit == before


def test_an_older_socket_of_the_same_boot_does_not_displace_a_newer_one() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    old = web1.hello()
    web1.connect()
    session = web1.session
    assert bench.hear(web1.peer, web1.key, old) == []
    assert bench.counts == ["stale_hello"]
    web1.session = session
    assert web1.beat() != []


@pytest.mark.covers("B7")
def test_a_host_whose_clock_went_back_within_one_boot_comes_in_when_its_session_is_over() -> None:
    """A virtual machine that was set back to a snapshot has its boot id and an older clock."""
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()

    def come_back() -> list[Message]:
        hello = msgspec.structs.replace(web1.hello(), link_counter=17)
        return bench.hear(web1.peer, web1.key, hello)

    assert come_back() == [], "the session may still be alive"
    bench.advance(16)
    assert state(bench) in ("reconnecting", "offline")
    (welcome,) = come_back()
    assert isinstance(welcome, Welcome)


def test_a_newer_socket_of_the_same_boot_replaces_the_older_at_once() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    old = web1.peer
    web1.connect()
    assert bench.disconnected == [old]
    assert state(bench) == "ready"


@pytest.mark.covers("B-14")
def test_a_clone_is_turned_away_when_the_first_host_answers_the_probe() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    clone = MinionOnBench(bench, "web1", host="another")
    web1.connect()
    web1.beat()
    assert clone.greet() == []
    probe = bench.messages(web1.peer, MasterBeat)[-1]
    assert isinstance(probe, MasterBeat)
    assert (probe.number, probe.echo) == (2, 1)  # nothing new echoed: a question
    web1.beat()
    (denied,) = bench.messages(clone.peer, Denied)
    assert isinstance(denied, Denied)
    assert denied.reason == "cloned"
    assert "key_in_two_places" in bench.counts
    assert tags(bench)[-1] == "minion/web1/cloned"
    assert state(bench) == "ready"
    bench.advance(3)
    assert bench.messages(clone.peer, Welcome) == []


def test_a_beat_from_before_the_probe_does_not_answer_it() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    other = MinionOnBench(bench, "web1", host="reinstalled")
    web1.connect()
    web1.beat()
    other.greet()
    web1.say(Beat(web1.session, 2, 1, (), ""))  # was under way
    bench.advance(2.0)
    assert len(bench.messages(other.peer, Welcome)) == 1


@pytest.mark.parametrize("how", ["silence", "gone", "send failed"])
def test_a_new_host_is_let_in_when_the_old_one_does_not_answer(how: str) -> None:
    bench = Bench(["web1"])
    old = MinionOnBench(bench, "web1")
    new = MinionOnBench(bench, "web1", host="reimaged")
    old.connect()
    assert new.greet() == []
    if how == "silence":
        bench.advance(2.0)
        assert old.peer in bench.disconnected
    elif how == "gone":
        bench.carry_out(bench.core.on_peer_gone(bench.now, old.peer))
    else:
        bench.carry_out(bench.core.on_send_failed(bench.now, old.peer, "gone"))
    new.take(bench.messages(new.peer, Welcome))
    new.sync()
    assert state(bench) == "ready"
    (regreet,) = old.beat()
    assert isinstance(regreet, Regreet)


@pytest.mark.covers("E1", "E16")
def test_more_than_may_sync_at_once_wait_on_their_connections_in_order() -> None:
    names = [f"web{number}" for number in range(5)]
    bench = Bench(names, settings=MasterSettings(sync_at_once=2))
    minions = [MinionOnBench(bench, name) for name in names]
    answers = [[type(answer) for answer in minion.greet()] for minion in minions]
    assert answers == [[Welcome], [Welcome], [], [], []]
    minions[1].sync()
    assert bench.messages(minions[3].peer, Welcome) == []
    minions[2].take(bench.messages(minions[2].peer, Welcome))
    bench.carry_out(bench.core.on_peer_gone(bench.now, minions[0].peer))
    assert len(bench.messages(minions[3].peer, Welcome)) == 1
    minions[2].sync()
    assert len(bench.messages(minions[4].peer, Welcome)) == 1


def test_a_turn_of_sync_that_is_not_used_is_taken_back() -> None:
    bench = Bench(["web1", "web2"], settings=MasterSettings(sync_at_once=1))
    web1, web2 = MinionOnBench(bench, "web1"), MinionOnBench(bench, "web2")
    web1.greet()
    web2.greet()
    for _ in range(2):
        bench.advance(5)
        web1.beat()  # lives, but does not sync
    assert bench.messages(web2.peer, Welcome) == []
    bench.advance(5.1)
    assert len(bench.messages(web2.peer, Welcome)) == 1
    assert web1.peer in bench.disconnected


def test_a_busy_minion_is_told_so_again_and_again() -> None:
    bench = Bench(["web1", "web2"], settings=MasterSettings(sync_at_once=1))
    web1, web2 = MinionOnBench(bench, "web1"), MinionOnBench(bench, "web2")
    web1.greet()
    assert web2.greet() == []
    bench.advance(0.4)
    assert bench.messages(web2.peer, Busy) == []  # most turns come sooner than it is worth saying
    bench.advance(0.2)
    (busy,) = bench.messages(web2.peer, Busy)
    assert isinstance(busy, Busy)
    assert busy.wait == 5_000_000
    bench.advance(5.1)
    assert bench.messages(web2.peer, Busy) == [busy, busy]
    web1.sync()
    bench.advance(5.1)
    assert bench.messages(web2.peer, Busy) == [busy, busy]


def test_a_busy_minion_is_forgotten_after_a_minute() -> None:
    bench = Bench(["web1", "web2"], settings=MasterSettings(sync_at_once=1, sync_page_s=1000))
    web1, web2 = MinionOnBench(bench, "web1"), MinionOnBench(bench, "web2")
    web1.greet()
    web2.greet()
    for _ in range(13):
        bench.advance(5)
        web1.beat()
    assert state(bench, "web2") == "offline"
    web1.sync()
    assert bench.messages(web2.peer, Welcome) == []


def test_pages_of_sync_come_in_order_or_are_turned_away() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.greet()
    assert web1.say(SyncPage(web1.session, 1, True, ())) == []
    assert bench.counts == ["unexpected"]
    assert len(web1.say(SyncPage(web1.session, 0, False, ()))) == 1
    assert state(bench) == "syncing"
    assert len(web1.say(SyncPage(web1.session, 1, True, ()))) == 1
    assert state(bench) == "ready"
    assert web1.say(SyncPage(web1.session, 2, True, ())) == []


@pytest.mark.covers("A16")
def test_a_minion_of_another_protocol_is_denied_and_may_ask_again() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    hello = web1.hello()
    fields = {name: getattr(hello, name) for name in hello.__struct_fields__}
    (denied,) = web1.say(type(hello)(**{**fields, "protocol_min": 7, "protocol_max": 8}))
    assert isinstance(denied, Denied)
    assert denied.reason == "protocol"
    assert denied.retry > 0


@pytest.mark.covers("B-15")
def test_a_flood_is_counted_and_costs_others_nothing() -> None:
    bench = Bench(["web1", "web2"])
    web1, web2 = MinionOnBench(bench, "web1"), MinionOnBench(bench, "web2")
    web1.connect()
    web2.connect()
    answered = sum(len(web1.beat()) for _ in range(1000))
    assert answered <= 25
    assert bench.counts.count("rate") >= 970
    assert len(web2.beat()) == 1
    greetings = sum(len(web1.say(web1.greeting())) for _ in range(100))
    assert greetings <= 12


@pytest.mark.covers("B-3")
def test_a_key_that_is_not_accepted_is_not_heard() -> None:
    bench = Bench(["web1"])
    stranger = MinionOnBench(bench, "stranger")
    assert not bench.core.is_key_accepted(key_of("stranger"))
    assert stranger.greet() == []
    assert bench.counts == ["revoked_key"]
    assert bench.disconnected == [stranger.peer]


def test_a_bad_frame_is_counted_and_the_session_goes_on() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    bench.carry_out(bench.core.on_bad_frame(bench.now, web1.peer, web1.key, "bad_schema"))
    assert bench.counts == ["bad_schema"]
    assert bench.disconnected == []
    assert len(web1.beat()) == 1


def test_a_planned_stop_sends_minions_away_and_lets_nobody_in() -> None:
    bench = Bench(["web1", "web2"])
    web1, web2 = MinionOnBench(bench, "web1"), MinionOnBench(bench, "web2")
    web1.connect()
    bench.carry_out(bench.core.on_stop(bench.now))
    assert len(bench.messages(web1.peer, Drain)) == 1
    (denied,) = web2.greet()
    assert isinstance(denied, Denied)
    assert denied.reason == "stopping"


def test_large_fleets_beat_more_slowly_and_are_judged_by_that() -> None:
    names = [f"web{number}" for number in range(10)]
    settings = MasterSettings(beat_interval_s=20)
    bench = Bench(names, settings=settings)
    web0 = MinionOnBench(bench, "web0")
    web0.connect()
    bench.advance(59)
    assert state(bench, "web0") == "ready"
    bench.advance(2)
    assert state(bench, "web0") == "offline"
    assert MasterSettings().beat_interval(12_000) == 12
    assert MasterSettings().beat_interval(200_000) == 60


def test_what_ails_a_host_is_shown_and_published() -> None:
    bench = Bench(["web1"])
    web1 = MinionOnBench(bench, "web1")
    web1.connect()
    web1.beat(condition="disk full")
    web1.beat(condition="disk full")
    assert row(bench, "web1").condition == "disk full"
    assert tags(bench).count("minion/web1/condition") == 1
