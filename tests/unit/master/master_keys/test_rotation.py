"""Who is told the next keys, who has kept them, and what a rotation asks of both."""

from collections.abc import Sequence

import pytest

from limpet.common.control.replies import MasterStatus, Minions, Refused, Remark, Rotation
from limpet.common.control.requests import AskStatus, ChangeKeys, ListMinions, RotateMaster
from limpet.common.identifiers import MinionId, SessionId
from limpet.common.messages.session import Drain, Welcome
from limpet.common.messages.trust import Trust, TrustAck, Verdict
from limpet.master.master_keys.announced import Announced, Following
from limpet.master.master_keys.announcements import AGAIN_S, SERIAL_MAX, SERIAL_STEP_MAX
from limpet.master.master_keys.key_work import KeysWritten, KeyWork
from limpet.master.master_keys.rotation import GATHER_S, WRITE_S
from limpet.master.store.operations import KeyRow
from support.master.master_bench import Bench, MinionOnBench, keep_alive, key_of


def announced(serial: int = 10, keys: Sequence[tuple[int, int]] = ((1, 10), (2, 10))) -> Announced:
    """Make an announcement; keys are given as a number and the serial that first told of each."""
    following = tuple(Following(bytes([number]) * 32, since) for number, since in keys)
    return Announced(
        b"S" * 32, b"", serial, b"m" * 32, following, signature=b"s" * 64, former_signature=b""
    )


FIRST = announced()


def fleet(*names: str, old: Sequence[str] = ()) -> tuple[Bench, list[MinionOnBench]]:
    """Give a bench with minions that are READY; those in `old` speak protocol 1."""
    bench = Bench([*names, *old], announced=FIRST)
    minions = [MinionOnBench(bench, name) for name in (*names, *old)]
    for minion in minions:
        minion.protocol = 1 if minion.name in old else 2
        minion.connect()
    return bench, minions


def told(bench: Bench, minion: MinionOnBench) -> list[Trust]:
    """Give what a minion was told in its present connection."""
    return [each for each in bench.messages(minion.peer, Trust) if isinstance(each, Trust)]


def ack(minion: MinionOnBench, serial: int = 10, verdict: Verdict = "kept", held: int = 10) -> None:
    """Let a minion answer."""
    minion.say(TrustAck(minion.session, serial, verdict, held, "why"))


def rotate(bench: Bench, *, fresh: bool = False, sure: bool = False, expected: str = "") -> None:
    """Ask for a rotation."""
    bench.ask(1, RotateMaster(fresh, sure, expected))


def answer(bench: Bench) -> Rotation | Refused:
    """Give the last word to the client."""
    (last,) = [each for each in bench.answers.pop(1, []) if not isinstance(each, Remark)]
    assert isinstance(last, Rotation | Refused)
    return last


def written(bench: Bench, *, news: Announced | None = None, problem: str = "") -> None:
    """Let the disk do what was asked for first."""
    work = bench.key_work.pop(0)
    bench.carry_out(bench.core.on_keys_written(bench.now, KeysWritten(work, news, problem)))


def left(bench: Bench) -> dict[str, str]:
    """Say of each minion why it would not follow."""
    (reply,) = bench.ask(2, ListMinions())
    assert isinstance(reply, Minions)
    return {row.minion: row.left_behind for row in reply.minions if row.left_behind}


def test_who_speaks_protocol_2_is_told_behind_welcome_and_nobody_else() -> None:
    bench, (web, old) = fleet("web1", old=["old1"])
    kinds = [type(each).__name__ for to, each in bench.sent if to == web.peer]
    assert kinds.index("Trust") == kinds.index("Welcome") + 1
    (said,) = told(bench, web)
    assert said == FIRST.told(SessionId(said.session))
    assert not told(bench, old)
    (welcome,) = bench.messages(old.peer, Welcome)
    assert isinstance(welcome, Welcome)
    assert welcome.protocol == 1


def test_a_minion_that_does_not_answer_is_told_again_until_it_does() -> None:
    bench, (web,) = fleet("web1")
    keep_alive(bench, [web], 3.5 * AGAIN_S)
    assert len(told(bench, web)) == 4
    ack(web)
    keep_alive(bench, [web], 3 * AGAIN_S)
    assert len(told(bench, web)) == 4


def test_what_was_kept_is_known_after_a_restart_and_each_session_is_told_anew() -> None:
    bench, (web, other) = fleet("web1", "web2")
    ack(web)
    assert set(left(bench)) == {"web2"}
    bench.crash()
    assert set(left(bench)) == {"web2"}
    web.connect()
    assert len(told(bench, web)) == 1
    assert other.key not in str(bench.store.notes)


def test_a_key_that_is_deleted_is_forgotten() -> None:
    bench, (web,) = fleet("web1")
    ack(web)
    assert f"trust {web.key}" in bench.store.notes
    bench.ask(1, ChangeKeys("delete", ("web1",), False, False))
    assert f"trust {web.key}" not in bench.store.notes


@pytest.mark.covers("H6")
def test_all_know_it_and_the_key_is_changed_after_which_the_process_starts_afresh() -> None:
    bench, minions = fleet("web1", "web2")
    for minion in minions:
        ack(minion)
    rotate(bench)
    assert bench.key_work == [KeyWork("switch")]
    assert not bench.is_afresh
    written(bench)
    said = answer(bench)
    assert isinstance(said, Rotation)
    assert said.is_done
    assert (said.old_key, said.new_key) == ((b"m" * 32).hex(), (b"\1" * 32).hex())
    assert (said.following, said.left) == (("web1", "web2"), ())
    assert bench.is_afresh
    assert all(bench.messages(minion.peer, Drain) for minion in minions)
    rotate(bench)
    assert isinstance(answer(bench), Refused)


def test_one_that_is_slow_is_waited_for_and_then_named() -> None:
    bench, (web, slow) = fleet("web1", "web2")
    ack(web)
    rotate(bench)
    assert any(isinstance(each, Remark) for each in bench.answers[1])
    keep_alive(bench, [web, slow], GATHER_S + 4.0)
    said = answer(bench)
    assert isinstance(said, Rotation)
    assert not said.is_done
    assert [each.minion for each in said.left] == ["web2"]
    assert "not confirmed" in said.left[0].why
    assert not bench.key_work

    rotate(bench)
    ack(slow)
    assert bench.key_work == [KeyWork("switch")]


def test_without_being_sure_nothing_is_done_if_some_are_left_behind() -> None:
    bench, (web, old) = fleet("web1", old=["old1"])
    away = MinionOnBench(bench, "away")
    row = KeyRow(away.key, MinionId(away.name), "accepted", 1.0, "", "", 1.0)
    bench.store.keys[away.key] = row
    bench.crash()
    web.connect()
    old.connect()
    ack(web)
    rotate(bench)
    said = answer(bench)
    assert isinstance(said, Rotation)
    assert not said.is_done
    assert {each.minion: each.why.split()[0] for each in said.left} == {
        "away": "was",
        "old1": "its",
    }

    rotate(bench, sure=True, expected=(b"\2" * 32).hex())
    refused = answer(bench)
    assert isinstance(refused, Refused)
    assert "not the one that was shown" in refused.text

    rotate(bench, sure=True, expected=said.new_key)
    written(bench)
    done = answer(bench)
    assert isinstance(done, Rotation)
    assert done.is_done
    assert done.left_count == 2
    assert sum("must join anew" in each.text for each in bench.reports) == 2


def test_who_missed_a_rotation_still_follows_the_next_one() -> None:
    bench, (web,) = fleet("web1")
    ack(web)  # knows 1 and 2, since 10
    bench.announced = announced(20, ((2, 10), (3, 20)))
    bench.crash()
    assert left(bench) == {}
    bench.announced = announced(30, ((3, 20), (4, 30)))
    bench.crash()
    assert set(left(bench)) == {"web1"}


def test_fresh_keys_are_told_first_and_only_who_is_here_follows() -> None:
    bench, (web, away) = fleet("web1", "web2")
    for minion in (web, away):
        ack(minion)
    bench.carry_out(bench.core.on_peer_gone(bench.now, away.peer))
    keep_alive(bench, [web], 20.0)
    rotate(bench, fresh=True)
    assert bench.key_work == [KeyWork("fresh")]
    news = announced(20, ((7, 20), (8, 20)))
    written(bench, news=news)
    assert told(bench, web)[-1].serial == 20
    ack(web, 20, held=20)
    said = answer(bench)
    assert isinstance(said, Rotation)
    assert not said.is_done
    assert [each.minion for each in said.left] == ["web2"]
    rotate(bench, sure=True, expected=said.new_key)
    assert bench.key_work == [KeyWork("switch")]


@pytest.mark.covers("I1")
@pytest.mark.parametrize("fresh", [False, True])
def test_a_disk_that_refuses_leaves_the_old_key_in_use(fresh: bool) -> None:
    bench, (web,) = fleet("web1")
    ack(web)
    rotate(bench, fresh=fresh)
    written(bench, problem="no space left")
    refused = answer(bench)
    assert isinstance(refused, Refused)
    assert "no space left" in refused.text
    assert not bench.is_afresh
    rotate(bench)
    assert bench.key_work == [KeyWork("switch")]


def test_a_disk_that_hangs_is_given_up_but_what_it_does_later_counts() -> None:
    bench, (web,) = fleet("web1")
    ack(web)
    rotate(bench)
    keep_alive(bench, [web], WRITE_S + 4.0)
    assert isinstance(answer(bench), Refused)
    assert not bench.is_afresh
    written(bench)
    assert bench.is_afresh
    assert 1 not in bench.answers


def test_a_client_that_leaves_before_the_switch_ends_it_and_after_it_does_not() -> None:
    from limpet.master.core import effects as do

    bench, (web,) = fleet("web1")
    rotate(bench)
    bench.carry_out(bench.core.on_client_gone(bench.now, do.Client(1)))
    ack(web)
    assert not bench.key_work
    rotate(bench)
    bench.carry_out(bench.core.on_client_gone(bench.now, do.Client(1)))
    written(bench)
    assert bench.is_afresh


def test_a_younger_list_of_a_minion_raises_the_serial_but_not_without_end() -> None:
    bench, (web, other) = fleet("web1", "web2")
    ack(web, verdict="stale", held=50)
    ack(other, verdict="stale", held=51)
    assert bench.key_work == [KeyWork("raise", 50)]
    written(bench, news=announced(51))
    assert [told(bench, minion)[-1].serial for minion in (web, other)] == [51, 51]
    serial = 51
    asked = 1
    for _ in range(20):
        bench.advance(2.0)
        ack(web, serial, "stale", serial + 5)
        if bench.key_work:
            asked += 1
            serial = bench.key_work[0].above + 1
            written(bench, news=announced(serial))
    assert asked <= 4
    ack(web, serial, "stale", 2**53)
    assert not bench.key_work


def test_a_minion_that_lies_does_not_use_the_serials_up() -> None:
    bench, (web,) = fleet("web1")
    ack(web, verdict="stale", held=SERIAL_MAX - 1)
    (work,) = bench.key_work
    assert FIRST.serial < work.above <= bench.now.wall + SERIAL_STEP_MAX
    assert bench.counts.count("trust_serial_too_high") == 1


def test_a_minion_that_does_not_believe_is_reported_and_left_behind() -> None:
    bench, (web,) = fleet("web1")
    ack(web, verdict="refused", held=3)
    assert any("does not believe" in each.text for each in bench.reports)
    assert set(left(bench)) == {"web1"}
    ack(web, serial=9)
    assert set(left(bench)) == {"web1"}
    assert "stale_trust_ack" in bench.counts


def test_two_at_a_time_are_refused_and_so_is_one_without_prepared_keys() -> None:
    bench, _ = fleet("web1")
    rotate(bench)
    bench.ask(2, RotateMaster(False, False))
    (busy,) = bench.answers[2]
    assert isinstance(busy, Refused)
    assert busy.reason == "busy"
    bare = Bench(["web1"])
    rotate(bare)
    refused = answer(bare)
    assert isinstance(refused, Refused)
    assert refused.reason == "failed"


def test_the_status_tells_the_keys_and_how_many_know_them() -> None:
    bench, (web, _) = fleet("web1", "web2")
    ack(web)
    (status,) = bench.ask(1, AskStatus())
    assert isinstance(status, MasterStatus)
    assert status.figures["minions_with_next_keys"] == 1.0
    assert status.next_keys == ((b"\1" * 32).hex(), (b"\2" * 32).hex())
    assert status.site_key == (b"S" * 32).hex()
    assert key_of("web1") == web.key
