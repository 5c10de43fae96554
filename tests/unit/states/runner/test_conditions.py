"""`unless`, `onlyif`, `creates`, `check_cmd` and slots."""

from pathlib import Path
from typing import Any

import pytest

from limpet.states.runner.retries import Retry
from limpet.states.runner.slots import fill
from support.states.state_bench import StateBench, chunk


@pytest.mark.parametrize(
    "conditions, is_run",
    [
        ({"unless": "true"}, False),
        ({"unless": "false"}, True),
        ({"unless": ["true", "false"]}, True),
        ({"unless": ["true", "true"]}, False),
        ({"unless": True}, True),
        ({"unless": []}, True),
        ({"onlyif": "true"}, True),
        ({"onlyif": "false"}, False),
        ({"onlyif": ["true", "false"]}, False),
        ({"onlyif": False}, True),
        ({"onlyif": "true", "unless": "true"}, False),
        ({"onlyif": [{"fun": "test.true"}]}, True),
        ({"onlyif": [{"fun": "test.false"}]}, False),
        ({"unless": [{"fun": "test.echo", "args": ["x"]}]}, False),
        ({"unless": [{"fun": "test.arg", "args": [0], "get_return": "kwargs"}]}, True),
        ({"onlyif": [{"no": "function"}]}, True),
        ({"creates": "/"}, False),
        ({"creates": ["/", "/no/such/path"]}, True),
        ({"creates": ["/", "/etc"]}, False),
    ],
)
def test_conditions_decide_whether_a_state_runs(
    tmp_path: Path, conditions: dict[str, Any], is_run: bool
) -> None:
    (result,) = (
        StateBench(tmp_path).run(chunk("test.succeed_with_changes", "a", **conditions)).values()
    )

    assert result["result"] is True
    assert bool(result["changes"]) is is_run
    assert result.get("skip_watch", False) is not is_run


def test_a_condition_with_an_unknown_function_fails_the_state(tmp_path: Path) -> None:
    bench = StateBench(tmp_path)
    (result,) = bench.run(chunk("test.nop", "a", onlyif=[{"fun": "no.such"}])).values()

    assert result["result"] is False
    assert "'no.such' is not available" in result["comment"]


def test_conditions_share_what_a_command_has(tmp_path: Path) -> None:
    (tmp_path / "made").write_text("")
    bench = StateBench(tmp_path)
    (result,) = bench.run(
        chunk("cmd.run", "a", name="echo x", cwd=str(tmp_path), unless="test -e made")
    ).values()

    assert result["comment"] == "unless condition is true"


@pytest.mark.parametrize(
    "state, commands, result",
    [
        ("test.succeed_with_changes", ["true"], True),
        ("test.succeed_with_changes", ["true", "false"], False),
        ("test.fail_without_changes", "true", True),
    ],
)
def test_check_cmd_has_the_last_word(
    tmp_path: Path, state: str, commands: object, result: bool
) -> None:
    (found,) = StateBench(tmp_path).run(chunk(state, "a", check_cmd=commands)).values()

    assert found["result"] is result


@pytest.mark.parametrize(
    "value, filled",
    [
        ("__slot__:salt:test.echo(hello)", "hello"),
        ("__slot__:salt:test.echo('a, b')", "a, b"),
        ("__slot__:salt:test.arg(x, k=5).kwargs.k", 5),
        ("__slot__:salt:test.echo(a) ~ /b", "a/b"),
        ("__slot__:salt:nonsense", "__slot__:salt:nonsense"),
        ("__slot__:other:test.echo(a)", "__slot__:other:test.echo(a)"),
        ({"k": "__slot__:salt:test.echo(v)", "n": 1}, {"k": "v", "n": 1}),
        (["__slot__:salt:test.echo(v)", {"k": "__slot__:salt:test.echo(w)"}], ["v", {"k": "w"}]),
        (5, 5),
    ],
)
def test_slots_are_filled_just_before_a_state_runs(
    tmp_path: Path, value: object, filled: object
) -> None:
    assert fill(StateBench(tmp_path).context(), {"a": value}) == {"a": filled}


@pytest.mark.parametrize(
    "value, retry",
    [
        (True, Retry()),
        (False, Retry(attempts=0)),
        ({"attempts": 5, "interval": "soon"}, Retry(attempts=5)),
        ({"until": False, "splay": 3}, Retry(until=False, splay=3)),
        ("often", Retry()),
    ],
)
def test_wrong_values_of_retry_are_the_defaults(value: object, retry: Retry) -> None:
    assert Retry.of(value) == retry
