from pathlib import Path
from typing import Any

import pytest

from support.states.state_bench import StateBench


@pytest.fixture
def bench(tmp_path: Path) -> StateBench:
    return StateBench(tmp_path)


def test_the_new_spelling_calls_each_function_with_its_arguments(bench: StateBench) -> None:
    asked: dict[str, Any] = {"test.echo": ["hi"], "test.arg": [1, {"k": 2}]}

    outcome = bench.call("module.run", name="x", **asked)

    assert outcome.name == ["test.echo", "test.arg"]
    assert outcome.changes == {
        "test.echo": "hi",
        "test.arg": {"args": [1], "kwargs": {"k": 2}},
    }


def test_the_old_spelling_calls_the_function_that_is_the_name(bench: StateBench) -> None:
    outcome = bench.call("module.run", name="test.echo", text="hi")

    assert (outcome.result, outcome.changes) == (True, {"ret": "hi"})
    assert outcome.comment == "Module function test.echo executed"


def test_an_argument_called_name_is_spelled_with_m(bench: StateBench) -> None:
    outcome = bench.call("module.run", name="test.kwarg", m_name="x")

    assert outcome.changes == {"ret": {"name": "x"}}


def test_functions_that_are_not_there_are_named(bench: StateBench) -> None:
    old = bench.call("module.run", name="test.ecko", text="x")
    missing: dict[str, Any] = {"no.such": None}
    new = bench.call("module.run", name="x", **missing)

    assert "test.ecko is not available; did you mean 'test.echo'?" in str(old.comment)
    assert new.comment == "Unavailable function: no.such."
    assert (old.result, new.result) == (False, False)


def test_an_answer_may_be_a_failure(bench: StateBench) -> None:
    asked: dict[str, Any] = {"test.false": None}

    outcome = bench.call("module.run", name="x", **asked)

    assert (outcome.result, outcome.changes) == (False, {})


def test_test_mode_calls_nothing(bench: StateBench) -> None:
    outcome = bench.call("module.run", name="test.echo", text="hi", is_test=True)

    assert (outcome.result, outcome.changes) == (None, {})


def test_a_grain_is_set_once(bench: StateBench, tmp_path: Path) -> None:
    announced = bench.call("grains.present", name="role", value="web", is_test=True)
    done = bench.call("grains.present", name="role", value="web")
    bench.grains["role"] = "web"
    again = bench.call("grains.present", name="role", value="web")

    assert announced.result is None
    assert done.result is True
    assert done.changes
    assert (again.result, again.changes) == (True, {})


def test_a_grain_that_is_a_list_grows_and_shrinks(bench: StateBench) -> None:
    bench.grains["roles"] = ["web"]

    grown = bench.call("grains.list_present", name="roles", value="db", is_test=True)
    shrunk = bench.call("grains.list_absent", name="roles", value="web", is_test=True)

    assert (grown.result, shrunk.result) == (None, None)
    assert bench.call("grains.list_present", name="roles", value="web").changes == {}
    assert bench.call("grains.list_absent", name="roles", value="db").changes == {}
    assert bench.call("grains.append", name="os", value="x").result is False
    assert bench.call("grains.append", name="gone", value="x").result is False


def test_a_list_that_stands_in_a_grain_is_not_added_again(bench: StateBench) -> None:
    bench.grains["roles"] = ["web", "a", "b"]

    assert bench.call("grains.append", name="roles", value=["b", "a"]).changes == {}
    assert bench.call("grains.append", name="roles", value=["b", "c"], is_test=True).result is None


def test_a_grain_is_taken_away_only_if_it_is_there(bench: StateBench) -> None:
    assert bench.call("grains.absent", name="gone").changes == {}
    assert bench.call("grains.absent", name="os", is_test=True).result is None
    assert bench.call("grains.exists", name="os").result is True


def test_changes_of_grains_have_salts_shape(bench: StateBench) -> None:
    bench.grains.update({"roles": ["web"], "word": "x"})

    added = bench.call("grains.list_present", name="roles", value="db")
    assert added.changes == {"new": {"roles": ["web", "db"]}}
    emptied = bench.call("grains.absent", name="word")
    assert emptied.changes == {"grain": "word", "value": None}
    deleted = bench.call("grains.absent", name="word", destructive=True)
    assert deleted.changes == {"deleted": "word"}
    assert bench.call("grains.list_present", name="new", value="x", is_test=True).result is None


def test_a_watching_state_waits(bench: StateBench) -> None:
    assert bench.call("module.watch", name="test.ping").result is True


def test_members_of_a_list_are_appended_once(bench: StateBench) -> None:
    bench.grains["roles"] = ["web"]
    assert bench.call("grains.append", name="roles", value=["web", "db"]).changes == {
        "added": ["db"]
    }
    bench.grains["roles"] = ["web", "db"]
    assert bench.call("grains.append", name="roles", value=["web", "db"]).changes == {}
