"""What the registry counts as it goes is what a count of all would give."""

from collections import Counter

from limpet.common.control.replies import MasterStatus
from limpet.common.control.requests import AskStatus, ChangeKeys
from support.master.master_bench import Bench, MinionOnBench, ready


def status(bench: Bench) -> MasterStatus:
    (reply,) = bench.ask(77, AskStatus())
    assert isinstance(reply, MasterStatus)
    return reply


def counted(bench: Bench) -> None:
    """Compare with a count of all."""
    minions = bench.core._registry.by_key.values()
    found = Counter(each.presence for each in minions)
    told = status(bench)
    assert told.ready == found["ready"]
    assert told.fleet == sum(found.values())
    for presence in ("ready", "syncing", "reconnecting", "offline", "never seen"):
        assert told.figures[f"minions_{presence.replace(' ', '_')}"] == found[presence], presence


def test_presences_are_counted_through_all_their_changes() -> None:
    bench = Bench(("web1", "web2", "web3", "web4"))
    counted(bench)
    web1, web2, web3 = (MinionOnBench(bench, name) for name in ("web1", "web2", "web3"))
    web1.connect()
    web2.connect()
    web3.greet()
    counted(bench)
    assert status(bench).ready == 2
    bench.carry_out(bench.core.on_peer_gone(bench.now, web1.peer))
    counted(bench)
    bench.advance(120.0)
    counted(bench)
    web2.connect()
    counted(bench)
    bench.ask(1, ChangeKeys("delete", ("web2",), False, False))
    counted(bench)
    bench.ask(1, ChangeKeys("reject", ("web3",), False, False))
    bench.ask(1, ChangeKeys("accept", ("web3",), False, False))
    counted(bench)
    bench.crash()
    counted(bench)
    assert status(bench).fleet == 3


def test_what_ails_a_minion_is_told_until_it_is_over_or_its_key_is_gone() -> None:
    bench, (web1, web2, web3) = ready("web1", "web2", "web3")
    web1.beat(condition="disk full")
    web2.beat(condition="disk full")
    web3.beat()
    assert status(bench).problems == ("web1: disk full", "web2: disk full")
    web1.beat()
    assert status(bench).problems == ("web2: disk full",)
    bench.ask(1, ChangeKeys("delete", ("web2",), False, False))
    assert status(bench).problems == ()
