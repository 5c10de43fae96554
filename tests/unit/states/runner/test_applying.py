"""How a whole run is judged."""

import pytest

from limpet.states.runner.applying import can_watch, is_good
from limpet.states.runner.run import Run
from support.states.state_bench import StateBench, chunk


@pytest.mark.parametrize(
    "handler, stops, is_well",
    [
        ("test.nop", False, True),
        ("test.nop", True, False),
        ("test.fail_without_changes", False, False),
    ],
)
def test_a_failure_that_another_state_deals_with_may_be_no_failure_of_the_run(
    bench: StateBench, handler: str, stops: bool, is_well: bool
) -> None:
    chunks = [
        chunk("test.fail_without_changes", "bad"),
        chunk(handler, "handler", onfail=[{"test": "bad"}], onfail_stop=stops),
    ]

    results = Run(bench.context()).apply(chunks)

    assert is_good(results, chunks) is is_well


def test_what_would_change_is_no_failure(bench: StateBench) -> None:
    results = Run(bench.context(is_test=True)).apply([chunk("test.succeed_with_changes", "a")])

    assert is_good(results)


def test_a_watch_is_a_require_where_nothing_reacts_to_it() -> None:
    assert [can_watch(each) for each in ("cmd", "test", "service", "file", "nosuch")] == [
        True, True, True, False, False,
    ]  # fmt: skip
