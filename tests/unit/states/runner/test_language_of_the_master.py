"""A master's configuration rules how the states of its minions render, as with Salt."""

import dataclasses
from pathlib import Path
from typing import Any

import pytest

from limpet.states.compiler.settings import language_of
from limpet.states.context import FunctionContext, Places
from limpet.states.functions import registry
from limpet.states.host.machine import ThisMachine
from limpet.states.pillar.body import decode_pillar, encode_pillar
from limpet.states.pillar.compile import Pillar
from limpet.states.runner.applying import Applying


@pytest.fixture
def context(tmp_path: Path) -> FunctionContext:
    states = tmp_path / "states"
    states.mkdir()
    (tmp_path / "state").mkdir()
    (states / "site.sls").write_text("base:\n  'N@webs':\n    - match: compound\n    - web\n")
    (states / "web.sls").write_text("a: {test.fail_without_changes: []}\nb: {test.nop: []}\n")
    return FunctionContext(
        minion_id="web1",
        host=ThisMachine(),
        places=Places(tmp_path / "minion.yaml", tmp_path / "grains", tmp_path / "state"),
        configuration={"file_roots": {"base": [str(states)]}, "failhard": False},
        load_grains=lambda _: {"id": "web1"},
    )


def applying(context: FunctionContext, language: dict[str, Any]) -> Applying:
    made = Applying(context)
    pillar = decode_pillar(encode_pillar(dataclasses.replace(Pillar({}), language=language)))
    made._compilation = made._compile(pillar)
    return made


def test_top_file_and_nodegroups_are_the_masters(context: FunctionContext) -> None:
    language = language_of(
        {"state_top": "site.sls", "nodegroups": {"webs": "L@web1,web2"}, "port": 4506}
    )
    assert set(language) == {"state_top", "nodegroups"}
    assert applying(context, language).compilation.show_states() == ["web"]
    assert applying(context, {}).compilation.show_states() == []


@pytest.mark.parametrize("is_failhard, ran", [(True, 1), (False, 2)])
def test_a_master_may_want_runs_to_end_with_their_first_failure(
    context: FunctionContext, is_failhard: bool, ran: int
) -> None:
    from limpet.states.runner.following import Asked

    found = applying(context, {"failhard": is_failhard}).run(Asked("sls", ["web"]))
    assert isinstance(found, dict)
    assert len(found) == ran


def test_a_minion_may_be_fixed_to_an_environment(context: FunctionContext, tmp_path: Path) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "dev/web.sls").write_text("of-dev: {test.nop: []}\n")
    roots = {**context.configuration["file_roots"], "dev": [str(tmp_path / "dev")]}
    context.configuration = {"file_roots": roots, "saltenv": "dev"}
    assert list(registry.call("state.show_sls", ["web"], {}, context)) == ["of-dev"]
    assert list(registry.call("state.show_sls", ["web"], {"saltenv": "base"}, context)) == [
        "a",
        "b",
    ]
