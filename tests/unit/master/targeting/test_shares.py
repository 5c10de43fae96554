"""A costly target is searched for a share at a time; the others are served in between."""

import msgspec
import pytest

from limpet.common.control.replies import JobStored, Minions, Refused, Reply
from limpet.common.control.requests import ChangeKeys, ListMinions
from limpet.common.identifiers import MinionId
from limpet.common.messages.session import Grains
from limpet.master.core import effects as do
from limpet.master.targeting import bounded_search as searching
from support.master.master_bench import Bench, MinionOnBench, ready

COSTLY = "*:*:x or E@(a|w)*(.*1)+(.*2)+(.*3)+x or G@os:Debian"
"""The first part has to look at each minion's grains, the second runs in the automaton."""


def fleet(number: int, living: int = 2) -> tuple[Bench, list[MinionOnBench]]:
    names = [f"web{each:04d}" for each in range(number)]
    bench = Bench(names)
    minions = [MinionOnBench(bench, name) for name in names[:living]]
    for minion in minions:
        minion.connect()
    return bench, minions


def tell(minion: MinionOnBench, os: str) -> None:
    minion.say(Grains(minion.session, "a" * 64, msgspec.json.encode({"os": os}), 1))


def turns_until_told(bench: Bench, client: int, turns_max: int = 500) -> int:
    for step in range(turns_max):
        if bench.answers.get(client):
            return step
        next_turn(bench)
    raise AssertionError("never told")


def next_turn(bench: Bench) -> None:
    bench.t += max(0.0, bench.core.next_deadline - bench.now.boot)
    bench.carry_out(bench.core.on_deadline(bench.now))


def ask(bench: Bench, target: str, client: int = 1) -> list[Reply]:
    return bench.ask(client, ListMinions(target, "compound"))


def named(reply: Reply) -> list[str]:
    assert isinstance(reply, Minions), reply
    return [each.minion for each in reply.minions]


def test_a_cheap_target_is_decided_at_once() -> None:
    bench, (web0, _) = fleet(2000)
    tell(web0, "Debian")
    (reply,) = ask(bench, "web* and G@os:Debian and not L@web0001")
    assert named(reply) == ["web0000"]


def test_beats_are_answered_while_a_costly_target_is_searched_for() -> None:
    bench, (web0, web1) = fleet(2000)
    tell(web1, "Debian")
    assert ask(bench, COSTLY) == []
    turns = 0
    while not bench.answers.get(1):
        assert len(web0.beat()) == 1
        next_turn(bench)
        turns += 1
        assert turns < 500
    assert turns > 5
    assert named(bench.answers[1][0]) == ["web0001"]
    assert not bench.core._requests.context.targets._searching


def test_what_a_minion_tells_meanwhile_counts_and_one_forgotten_is_not_meant() -> None:
    bench, (web0, web1) = fleet(2000)
    tell(web0, "Debian")
    tell(web1, "Debian")
    assert ask(bench, COSTLY) == []
    next_turn(bench)
    tell(web0, "Ubuntu")
    bench.ask(9, ChangeKeys("delete", ("web0001",), is_all=False, is_dry=False))
    bench.ask(9, ChangeKeys("reject", ("web0005",), is_all=False, is_dry=False))
    bench.ask(9, ChangeKeys("accept", ("web0005",), is_all=False, is_dry=False))
    turns_until_told(bench, 1)
    assert named(bench.answers[1][0]) == []
    assert ask(bench, "G@os:Ubuntu", client=2) != []


def test_two_searches_share_a_turn_and_a_cheap_one_does_not_wait_for_a_costly_one() -> None:
    bench, _ = fleet(2000)
    assert ask(bench, COSTLY) == []
    assert ask(bench, COSTLY.replace("x", "y"), client=2) == []
    assert ask(bench, "web0001", client=3) == []
    assert turns_until_told(bench, 3) <= 1
    assert not bench.answers.get(1)
    assert turns_until_told(bench, 2) > 5
    turns_until_told(bench, 1)


def test_the_job_of_a_costly_target_is_made_when_it_is_known() -> None:
    bench, (web0, _) = fleet(2000)
    tell(web0, "Debian")
    assert bench.ask(1, bench.request(COSTLY, kind="compound")) == []
    turns_until_told(bench, 1)
    (stored,) = bench.answers[1]
    assert isinstance(stored, JobStored)
    assert [each.minion for each in stored.results] == ["web0000"]


def test_a_client_that_leaves_or_asks_anew_ends_its_search() -> None:
    bench, _ = fleet(2000)
    assert ask(bench, COSTLY) == []
    bench.carry_out(bench.core.on_client_gone(bench.now, do.Client(1)))
    assert ask(bench, COSTLY, client=2) == []
    (reply,) = ask(bench, "web0007", client=2)
    assert named(reply) == ["web0007"]
    for _ in range(3):
        next_turn(bench)
    assert not bench.answers.get(1)
    assert len(bench.answers[2]) == 1


def test_a_target_that_takes_too_much_is_refused_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(searching, "STEPS_MAX", 50_000)
    bench, (web0, _) = fleet(2000)
    assert ask(bench, COSTLY) == []
    turns_until_told(bench, 1)
    (reply,) = bench.answers[1]
    assert isinstance(reply, Refused)
    assert reply.reason == "usage"
    assert COSTLY[:40] in reply.text
    assert "50,000 steps for 2000 minions" in reply.text
    assert len(web0.beat()) == 1
    monkeypatch.setattr(searching, "STEPS_MAX", 1_000)
    (reply,) = ask(bench, COSTLY, client=2)
    assert isinstance(reply, Refused)
    assert not bench.core._requests.context.targets._searching


def test_no_slot_is_given_away_under_a_search() -> None:
    bench, _ = ready("web1", "web2")
    index = bench.core._registry.index
    changed = index.watch()
    index.remove(MinionId("web1"))
    index.put(MinionId("web2"), b"{}")
    before = index.slots
    index.put(MinionId("web3"), b"{}")
    assert index.slots == before + 1
    assert changed == {"web1", "web2", "web3"}
    index.unwatch(changed)
    index.put(MinionId("web4"), b"{}")
    assert index.slots == before + 1


def test_the_index_holds_what_the_rows_hold() -> None:
    bench, (web1, web2) = ready("web1", "web2")
    tell(web1, "Debian")
    tell(web2, "Ubuntu")
    tell(web1, "Rocky")
    bench.crash()
    index = bench.core._registry.index
    assert {name: index.body_of(name) for name in index.order} == {
        row.minion: row.grains for row in bench.store.keys.values()
    }
    assert b"Rocky" in (index.body_of(MinionId("web1")) or b"")
