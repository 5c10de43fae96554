"""Laws of gathering answers."""

from itertools import pairwise
from typing import get_args

from hypothesis import given
from hypothesis import strategies as st

from limpet.common.control.replies import FINAL, MinionResult, Status
from limpet.master.client.results import ResultTable
from support.fakes.master import result, stored

STATUSES: tuple[Status, ...] = get_args(Status)
SETTLED = frozenset(("ok", "failed", "refused", "interrupted", "cancelled"))

RESULTS = st.builds(
    result,
    st.sampled_from(["web1", "web2", "web3"]),
    st.sampled_from(STATUSES),
    st.sampled_from([True, "text", None]),
    since_s=st.sampled_from([1.0, 2.0]),
)


@given(st.lists(RESULTS, max_size=30), st.lists(st.integers(0, 29), max_size=4))
def test_nothing_is_told_twice_and_nothing_settled_is_taken_back(
    news: list[MinionResult], restarts: list[int]
) -> None:
    """At each restart the whole state of the job is told again."""
    job_table = ResultTable()
    job_table.on_stored(stored())
    told: list[tuple[str, str, object, float]] = []
    known: dict[str, MinionResult] = {}
    for at, each in enumerate(news):
        answers = job_table.on_result(each)
        known[each.minion] = each
        if at in restarts:
            answers += job_table.on_stored(stored(*known.values()))
        told += [(a.minion, a.status, a.value, a.since_s) for a in answers]

    assert all(before != after for before, after in pairwise(told))
    for minion in known:
        statuses = [status for name, status, _, _ in told if name == minion]
        settled = [status for status in statuses if status in SETTLED]
        assert len(set(settled)) <= 1
        if settled:
            assert statuses[statuses.index(settled[0]) :] == settled
            assert job_table.result().minions[minion].status == settled[0]
        assert job_table.result().minions[minion].is_final == (
            job_table.result().minions[minion].status in FINAL
        )
