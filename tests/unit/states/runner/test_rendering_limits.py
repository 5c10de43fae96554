"""The configured limit on rendering holds wherever a run renders: SLS, pillar, templates."""

from pathlib import Path
from typing import Any

import pytest

from limpet.states.context import FunctionContext, Places
from limpet.states.functions import registry
from limpet.states.host.machine import ThisMachine

ENDLESS = "{% for _ in range(90000) %}{% for _ in range(90000) %}{% endfor %}{% endfor %}\n"
TOLD = "rendering did not end within 0.3 s"


@pytest.fixture
def context(tmp_path: Path) -> FunctionContext:
    for name in ("states", "pillar", "state"):
        (tmp_path / name).mkdir()
    return FunctionContext(
        minion_id="web1",
        host=ThisMachine(),
        places=Places(tmp_path / "minion.yaml", tmp_path / "grains", tmp_path / "state"),
        configuration={
            "file_roots": {"base": [str(tmp_path / "states")]},
            "pillar_roots": {"base": [str(tmp_path / "pillar")]},
            "render_timeout": 0.3,
            "pillar_safe_render_error": False,
        },
        load_grains=lambda _: {"id": "web1"},
    )


def applied(context: FunctionContext) -> Any:  # noqa: ANN401
    return registry.call("state.apply", ["main"], {}, context)


def test_an_sls_is_held_to_it(context: FunctionContext, tmp_path: Path) -> None:
    (tmp_path / "states/main.sls").write_text(ENDLESS)
    assert TOLD in str(applied(context))


def test_pillar_is_held_to_it_and_not_rendered_twice(
    context: FunctionContext, tmp_path: Path
) -> None:
    (tmp_path / "states/main.sls").write_text("a: {test.nop: []}\n")
    (tmp_path / "pillar/top.sls").write_text("base: {'*': [bad]}\n")
    count = "{% do salt['file.append']('" + str(tmp_path / "count") + "', 'x') %}"
    (tmp_path / "pillar/bad.sls").write_text(count + ENDLESS)
    assert TOLD in str(applied(context))
    assert (tmp_path / "count").read_text() == "x\n"


def test_the_template_of_a_file_is_held_to_it(context: FunctionContext, tmp_path: Path) -> None:
    (tmp_path / "states/t.j2").write_text(ENDLESS)
    (tmp_path / "states/main.sls").write_text(
        f"{tmp_path}/out:\n  file.managed:\n    - source: salt://t.j2\n    - template: jinja\n"
    )
    (result,) = applied(context).values()
    assert result["result"] is False
    assert TOLD in result["comment"]
