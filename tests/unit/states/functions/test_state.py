"""The functions of `state` on a tree of their own."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Places
from limpet.states.functions import registry
from limpet.states.host.machine import ThisMachine
from support.fakes.host import make_context

Call = Callable[..., tuple[Any, int]]

TREE = {
    "states/top.sls": "base:\n  '*': [main]\n",
    "states/main.sls": (
        "a:\n  test.succeed_with_changes\n"
        "b:\n  test.nop:\n    - require: [a]\n    - value: {{ pillar.get('v', 0) }}\n"
    ),
    "states/bad.sls": "x: {test: [fail_without_changes]}\n",
    "states/wrong.sls": "x:\n  test.nop:\n    - require: [nothing]\n",
    "pillar/top.sls": "base:\n  '*': [data]\n",
    "pillar/data.sls": "v: 7\nnested: {a: {b: deep}}\n",
}


@pytest.fixture
def call(tmp_path: Path) -> Call:
    for name, text in TREE.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)

    def run(name: str, *positional: Any, **keyword: Any) -> tuple[Any, int]:  # noqa: ANN401
        context: FunctionContext = make_context(
            grains={"os": "Debian", "id": "web1"},
            configuration={
                "file_roots": {"base": [str(tmp_path / "states")]},
                "pillar_roots": {"base": [str(tmp_path / "pillar")]},
            },
        )
        context.host = ThisMachine()
        context.places = Places(tmp_path / "minion.yaml", tmp_path / "grains", tmp_path)
        value = registry.call(name, positional, keyword, context)
        return value, context.retcode_of(value)

    return run


def ids(results: dict[str, Any]) -> list[str]:
    return [key.split("_|-")[1] for key in results]


def test_apply_runs_the_top_file_or_the_named_sls(call: Call) -> None:
    top, top_code = call("state.apply")
    named, named_code = call("state.apply", "main,bad")

    assert (ids(top), top_code) == (["a", "b"], 0)
    assert (ids(named), named_code) == (["a", "b", "x"], 1)


def test_test_mode_is_asked_for_by_any_word_for_it(call: Call) -> None:
    for word in (True, "True", "yes"):
        results, retcode = call("state.apply", test=word)
        assert next(iter(results.values()))["result"] is None
        assert retcode == 0
    with pytest.raises(UsageError, match="the argument 'test'"):
        call("state.apply", test="perhaps")


def test_errors_of_the_tree_are_the_answer_and_a_failure(call: Call) -> None:
    errors, retcode = call("state.apply", "wrong")
    missing, _ = call("state.apply", "no.such")

    assert retcode == 1
    assert errors[0].startswith("Referenced state does not exist for requisite")
    assert missing[0].startswith("No matching sls found for 'no.such'")


def test_pillar_may_be_laid_over_for_one_run(call: Call) -> None:
    plain, _ = call("state.show_low_sls", "main")
    changed, _ = call("state.show_low_sls", "main", pillar={"v": 8})

    assert [plain[1]["value"], changed[1]["value"]] == [7, 8]
    with pytest.raises(UsageError, match="formatted as a dictionary"):
        call("state.apply", pillar=[1])


def test_one_function_one_id_high_data_and_a_chunk_can_be_run(call: Call) -> None:
    single, _ = call("state.single", "test.nop", "it")
    one, _ = call("state.sls_id", "b", "main")
    high, _ = call("state.high", {"x": {"test": ["nop"]}})
    low, _ = call("state.low", {"state": "test", "fun": "nop", "name": "l"})

    assert ids(single) == ["it"]
    assert ids(one) == ["a", "b"]
    assert ids(high) == ["x"]
    assert low["result"] is True
    with pytest.raises(UsageError, match="No matches for ID"):
        call("state.sls_id", "zzz", "main")


def test_stages_are_shown(call: Call) -> None:
    assert call("state.show_top") == ({"base": ["main"]}, 0)
    assert call("state.show_states") == (["main"], 0)
    assert [each["__id__"] for each in call("state.show_lowstate")[0]] == ["a", "b"]
    assert list(call("state.show_sls", "main")[0]) == ["a", "b"]
    assert call("state.show_sls_id", "b", "main")[0][0]["__id__"] == "b"
    assert call("state.sls_exists", "main") == (True, 0)
    assert call("state.sls_exists", "gone") == (False, 1)
    assert call("state.id_exists", "a,b", "main")[0] is True


def test_an_error_in_pillar_fails_the_run_with_its_place(call: Call, tmp_path: Path) -> None:
    (tmp_path / "pillar/data.sls").write_text("a: {{ nothing }}\n")

    errors, retcode = call("state.apply")

    assert retcode == 1
    assert errors[0] == "Pillar failed to render with the following messages:"


def test_pillar_is_told_to_people_and_to_functions(call: Call) -> None:
    assert call("pillar.get", "nested:a:b")[0] == "deep"
    assert call("pillar.get", "nested.a.b", delimiter=".")[0] == "deep"
    assert call("pillar.get", "gone", "default")[0] == "default"
    assert call("pillar.items")[0] == {"v": 7, "nested": {"a": {"b": "deep"}}}
    assert call("pillar.item", "v", "gone")[0] == {"v": 7, "gone": ""}
    assert call("pillar.ls")[0] == ["v", "nested"]
    assert call("pillar.keys", "nested")[0] == ["a"]


def test_no_match_in_the_top_file_is_a_failure_that_says_so(call: Call, tmp_path: Path) -> None:
    (tmp_path / "states/top.sls").write_text("base:\n  'db*': [main]\n")

    results, retcode = call("state.apply")

    assert (list(results), retcode) == (["no_|-states_|-states_|-None"], 1)


def test_reloaded_grains_and_pillar_are_seen_by_later_states(call: Call, tmp_path: Path) -> None:
    (tmp_path / "states/reload.sls").write_text(
        f"""
change:
  cmd.run:
    - name: "echo 'v: 9' > {tmp_path}/pillar/data.sls"
    - reload_pillar: true
    - reload_grains: true
{tmp_path}/out:
  file.managed:
    - source: salt://tpl
    - template: jinja
"""
    )
    (tmp_path / "states/tpl").write_text("{{ pillar.v }} {{ salt['pillar.get']('v') }}\n")

    _, retcode = call("state.apply", "reload")

    assert retcode == 0
    assert (tmp_path / "out").read_text() == "9 9\n"


def test_states_may_be_given_as_text(call: Call) -> None:
    results, retcode = call("state.template_str", "{{ 'x' }}:\n  test.nop:\n    - value: 1\n")
    errors, failed = call("state.template_str", "{{ nothing }}")

    assert (ids(results), retcode) == (["x"], 0)
    assert failed == 1
    assert errors[0].startswith("Rendering the text failed")
