"""Plans: what would run, in which order and why."""

from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from limpet.common.terminal.colors import PLAIN
from limpet.master.commands.plan import command, shown
from limpet.states.local.call import call_local

TREE = """
first:
  test.nop:
    - order: first
web:
  cmd.run:
    - name: echo hi
    - unless: test -e /nowhere
    - parallel: True
    - require:
      - test: late
{% for i in range(2) %}
n{{ i }}:
  test.nop: []
{% endfor %}
last:
  file.managed:
    - name: /nowhere/x
    - contens: x
    - order: last
    - listen:
      - cmd: web
late:
  test.nop: []
"""


@pytest.fixture
def root(tmp_path: Path) -> Path:
    states = tmp_path / "states"
    states.mkdir()
    (states / "web.sls").write_text(TREE)
    (states / "bad.sls").write_text("a:\n  test.nop:\n    - require:\n      - test: b\n")
    (tmp_path / "minion.yaml").write_text(f"id: here\nfile_roots: {{base: [{states}]}}\n")
    return tmp_path


def plan(root: Path, *words: str) -> tuple[dict[str, Any], int]:
    value, retcode = call_local(str(root), "state.plan", list(words), {})
    assert isinstance(value, dict)
    return value, retcode


def test_a_plan_has_the_order_with_its_reasons(root: Path) -> None:
    found, retcode = plan(root, "web")
    assert retcode == 0
    assert found["errors"] == []
    assert [(each["id"], each["why"]) for each in found["chunks"]] == [
        ("first", ["order: first"]),
        ("late", ["declared as number 4", "before 3, which needs it"]),
        ("web", ["after 2 (require)", "declared as number 1"]),
        ("n0", ["declared as number 2"]),
        ("n1", ["declared as number 3"]),
        ("last", ["order: last"]),
    ]


def test_a_state_has_its_place_in_the_source_its_requisites_and_conditions(root: Path) -> None:
    chunks = {each["id"]: each for each in plan(root, "web")[0]["chunks"]}
    web = chunks["web"]
    assert (web["function"], web["name"], web["sls"], web["position"]) == (
        "cmd.run",
        "echo hi",
        "web",
        3,
    )
    assert (Path(web["file"]).name, web["line"]) == ("web.sls", 6)
    assert (web["parallel"], web["conditions"]) == (True, {"unless": "test -e /nowhere"})
    assert web["requisites"] == {"require": ["test_|-late_|-late_|-nop"]}
    assert chunks["n1"]["line"] == 14, "the line of the source, though a loop made it"
    assert chunks["last"]["requisites"] == {"listen": ["cmd_|-web_|-echo hi_|-run"]}


def test_what_lint_knows_of_the_states_is_told(root: Path) -> None:
    findings = plan(root, "web")[0]["findings"]
    assert [(each["rule"], each["line"], each["hint"]) for each in findings] == [
        ("unknown-argument", 19, "did you mean 'contents'?")
    ]


def test_states_that_do_not_compile_give_errors(root: Path) -> None:
    found, retcode = plan(root, "bad")
    assert retcode == 1
    assert found["chunks"] == []
    assert "Referenced state does not exist" in found["errors"][0]


def test_the_text_is_readable_and_the_graph_is_one(root: Path) -> None:
    found, _ = plan(root, "web")
    text = "\n".join(shown("local", found, PLAIN, "text"))
    assert "    3. cmd.run: echo hi (parallel)" in text
    assert "after 2 (require); declared as number 1" in text
    assert "6 states would run" in text
    dot = "\n".join(shown("local", found, PLAIN, "dot"))
    assert dot.startswith('digraph "local" {')
    assert '"test_|-late_|-late_|-nop" -> "cmd_|-web_|-echo hi_|-run" [label="require"];' in dot


def test_a_plan_without_target_is_refused() -> None:
    result = CliRunner().invoke(command, [])
    assert "a TARGET is expected" in str(result.exception)
