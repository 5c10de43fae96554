from pathlib import Path
from typing import Any

import pytest

from limpet.states.library.cmd import stateful
from limpet.states.outcome import Outcome
from support.states.state_bench import FakeTree, StateBench


@pytest.fixture
def bench(tmp_path: Path) -> StateBench:
    return StateBench(tmp_path, FakeTree({"s.sh": b"#!/bin/sh\necho $1-$2 $V {x}\n"}))


def test_a_command_goes_through_the_shell_and_always_changes(bench: StateBench) -> None:
    outcome = bench.call("cmd.run", name="echo a b | wc -w; echo err >&2")

    assert outcome.result is True
    assert {**outcome.changes, "pid": 0} == {
        "pid": 0, "retcode": 0, "stdout": "2", "stderr": "err",
    }  # fmt: skip


def test_a_retcode_is_a_failure_unless_it_is_expected(bench: StateBench) -> None:
    assert bench.call("cmd.run", name="exit 3").result is False
    assert bench.call("cmd.run", name="exit 3", success_retcodes=[3]).result is True
    assert bench.call("cmd.run", name="echo fine; exit 3", success_stdout=["fine"]).result is True


def test_a_timeout_is_a_failure_unless_it_is_ignored(bench: StateBench) -> None:
    failed = bench.call("cmd.run", name="sleep 9", timeout=0.2)
    ignored = bench.call("cmd.run", name="sleep 9", timeout=0.2, ignore_timeout=True)

    assert failed.result is False
    assert "Timed out after 0.2 seconds" in failed.changes["stdout"]
    assert (ignored.result, ignored.changes["retcode"]) == (True, 0)


def test_place_and_environment_are_the_states_own(bench: StateBench, tmp_path: Path) -> None:
    outcome = bench.call(
        "cmd.run", name="echo $PWD $A $B", cwd=str(tmp_path), env=[{"A": 1}, {"B": "two"}]
    )

    assert outcome.changes["stdout"] == f"{tmp_path} 1 two"
    missing = bench.call("cmd.run", name="true", cwd="/no/such/place")
    assert missing.comment == 'Desired working directory "/no/such/place" is not available'


def test_test_mode_runs_nothing(bench: StateBench, tmp_path: Path) -> None:
    outcome = bench.call("cmd.run", name=f"touch {tmp_path}/x", is_test=True)

    assert (outcome.result, outcome.changes) == (None, {"cmd": f"touch {tmp_path}/x"})
    assert not (tmp_path / "x").exists()


def test_waiting_commands_do_nothing_by_themselves(bench: StateBench) -> None:
    assert bench.call("cmd.wait", name="false") == Outcome(True)
    assert bench.call("cmd.wait_script", name="x") == Outcome(True)


@pytest.mark.parametrize(
    "printed, result, changes, comment",
    [
        ("some\nchanged=yes comment='done it' n=5", True, {"changed": "yes", "n": "5"}, "done it"),
        ("changed=no comment=nothing", True, {}, "nothing"),
        ('{"changed": true, "comment": "c", "k": 1}', True, {"changed": True, "k": 1}, "c"),
        ("[1]", False, {}, "script JSON output must be a JSON object (e.g., {})!"),
        ("no such pairs", False, {"stdout": "no such pairs"}, None),
        ("", True, {}, ""),
    ],
)
def test_a_stateful_command_says_itself_what_it_did(
    printed: str, result: bool, changes: dict[str, Any], comment: str | None
) -> None:
    outcome = stateful.reinterpreted(Outcome(True, "run", {"stdout": printed}))

    assert outcome.result is result
    assert {**outcome.changes, **changes} == outcome.changes
    assert bool(outcome.changes) is bool(changes)
    assert comment in (None, outcome.comment)


def test_a_stateful_command_may_be_asked_in_test_mode(bench: StateBench) -> None:
    asked = [{"test_name": "echo changed=yes"}]

    outcome = bench.call("cmd.run", name="false", stateful=asked, is_test=True)

    assert (outcome.result, outcome.changes["changed"]) == (None, "yes")


def test_a_script_is_brought_rendered_and_run(bench: StateBench) -> None:
    outcome = bench.call(
        "cmd.script",
        name="it",
        source="salt://s.sh",
        args="'a b' c",
        env={"V": "v"},
        template="jinja",
        context={"x": "rendered"},
    )

    assert outcome.changes["stdout"] == "a b-c v rendered"
    assert list((bench.place / ".state").iterdir()) == []


def test_a_script_that_is_not_there_fails(bench: StateBench) -> None:
    outcome = bench.call("cmd.script", name="salt://gone.sh")

    assert outcome.result is False
    assert outcome.changes["cache_error"] is True


def test_a_function_is_called_only_where_there_is_one(bench: StateBench) -> None:
    called = bench.call(
        "cmd.call", name="f", func=lambda x: {"result": True, "changes": {"x": x}}, args=(5,)
    )

    assert called.changes == {"x": 5}
    assert bench.call("cmd.call", name="f", func="text").result is False


def test_what_cannot_be_watched_says_so(bench: StateBench) -> None:
    outcome = bench.call("cmd.mod_watch", name="x", sfun="other")

    assert "does not work with the watch requisite" in str(outcome.comment)
