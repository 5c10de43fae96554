"""A minion that says more than it may is cut off if it does so without end, and not before."""

from limpet.common.messages.session import MasterBeat
from support.master.master_bench import Bench, MinionOnBench

BURST = 2000
"""Messages over its rates that are dropped before the connection is cut."""


def test_who_sends_without_end_is_cut_off_and_the_others_are_heard() -> None:
    bench = Bench(["web1", "web2"])
    web1, web2 = MinionOnBench(bench, "web1"), MinionOnBench(bench, "web2")
    web1.connect()
    web2.connect()
    for _ in range(BURST):
        web1.beat()
    assert "rate" in bench.counts
    assert "flood" not in bench.counts
    for _ in range(100):
        web1.beat()
    assert "flood" in bench.counts
    assert set(bench.disconnected) == {web1.peer}
    assert any("web1 sends without end" in report.text for report in bench.reports)
    assert [type(each) for each in web2.beat()] == [MasterBeat]
