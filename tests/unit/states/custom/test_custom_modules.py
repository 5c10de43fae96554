"""A shop's own modules: brought from the roots, loaded, and called as Salt calls them."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Places
from limpet.states.custom import using
from limpet.states.functions import registry
from limpet.states.grains import loading
from limpet.states.host.machine import ThisMachine


@pytest.fixture(autouse=True)
def nobody_elses_modules() -> Iterator[None]:
    using.use(None)
    yield
    using.use(None)


@pytest.fixture
def roots(tmp_path: Path) -> Path:
    (tmp_path / "states").mkdir()
    (tmp_path / "minion" / "state").mkdir(parents=True)
    return tmp_path / "states"


@pytest.fixture
def context(tmp_path: Path, roots: Path) -> FunctionContext:
    place = tmp_path / "minion"
    return FunctionContext(
        minion_id="web1",
        host=ThisMachine(),
        places=Places(place / "minion.yaml", place / "grains", place / "state"),
        configuration={"file_roots": {"base": [str(roots)]}, "custom": {"shop": "north"}},
        load_grains=lambda _: {"id": "web1", "os": "Debian"},
        pillar={"port": 8080},
    )


def write(roots: Path, path: str, text: str) -> None:
    place = roots / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")


def call(context: FunctionContext, name: str, *positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
    return registry.call(name, positional, keyword, context)


def test_a_module_in_salts_style_sees_what_salt_puts_into_it(
    roots: Path, context: FunctionContext
) -> None:
    write(
        roots,
        "_modules/shop.py",
        "def where():\n"
        "    return [__opts__['id'], __grains__['os'], __pillar__.get('port'),\n"
        "            __salt__['test.echo']('hi'), __opts__['shop'], 'cmd.run' in __salt__,\n"
        "            __salt__.test.echo('there')]\n",
    )
    assert call(context, "saltutil.sync_modules") == ["modules.shop"]
    assert call(context, "shop.where") == ["web1", "Debian", 8080, "hi", "north", True, "there"]


def test_a_module_in_the_plain_style_is_handed_its_context(
    roots: Path, context: FunctionContext
) -> None:
    write(roots, "_modules/shop.py", "def double(context, number: int):\n    return number * 2\n")
    call(context, "saltutil.sync_modules")
    assert call(context, "shop.double", "4") == 8
    with pytest.raises(UsageError, match="number"):
        call(context, "shop.double")


def test_only_what_changed_is_brought_and_what_has_gone_is_removed(
    roots: Path, context: FunctionContext
) -> None:
    write(roots, "_modules/one.py", "def a(): return 1\n")
    write(roots, "_modules/two.py", "def b(): return 2\n")
    assert call(context, "saltutil.sync_modules") == ["modules.one", "modules.two"]
    assert call(context, "saltutil.sync_modules") == []
    write(roots, "_modules/one.py", "def a(): return 10\n")
    (roots / "_modules/two.py").unlink()
    assert call(context, "saltutil.sync_all")["modules"] == ["modules.one"]
    assert call(context, "one.a") == 10
    assert registry.find("two.b") is None


def test_a_custom_function_goes_before_the_releases_own(
    roots: Path, context: FunctionContext
) -> None:
    write(roots, "_modules/mytest.py", "__virtualname__ = 'test'\ndef ping(): return 'own'\n")
    call(context, "saltutil.sync_modules")
    assert call(context, "test.ping") == "own"
    assert call(context, "test.echo", "x") == "x"


def test_a_module_that_does_not_load_is_explained_to_who_asks_for_it(
    roots: Path, context: FunctionContext
) -> None:
    write(roots, "_modules/broken.py", "def a(:\n    pass\n")
    write(roots, "_modules/absent.py", "def __virtual__():\n    return (False, 'no frobnicator')\n")
    write(roots, "_modules/good.py", "def a(): return 1\n")
    call(context, "saltutil.sync_modules")
    assert call(context, "good.a") == 1
    with pytest.raises(UsageError, match=r"_modules/broken.py was not loaded: line 1"):
        call(context, "broken.a")
    with pytest.raises(UsageError, match="no frobnicator"):
        call(context, "absent.a")


def test_aliases_and_chosen_names_are_heeded(roots: Path, context: FunctionContext) -> None:
    write(
        roots,
        "_modules/shop.py",
        "__func_alias__ = {'list_': 'list'}\n"
        "def list_(): return ['a']\n"
        "def _hidden(): return 1\n"
        "class Thing: pass\n",
    )
    call(context, "saltutil.sync_modules")
    assert set(registry.functions_of("shop")) == {"list"}


def test_grains_of_ones_own_are_collected_and_a_failing_one_is_named(
    roots: Path, context: FunctionContext
) -> None:
    write(
        roots,
        "_grains/rack.py",
        "def rack(grains):\n    return {'rack': grains['kernel'] + '-7'}\n"
        "def other():\n    return {'datacenter': 'ams'}\n",
    )
    write(roots, "_grains/bad.py", "def bad():\n    return 1 / 0\n")
    context.load_grains = None
    assert call(context, "saltutil.sync_all", refresh=False)["grains"] == [
        "grains.bad",
        "grains.rack",
    ]
    found = loading.all_facts(context, 1)
    assert (found["rack"], found["datacenter"]) == ("Linux-7", "ams")
    assert "ZeroDivisionError" in found["grains_problems"]["grains.bad"]


def test_utilities_are_shared_by_modules(roots: Path, context: FunctionContext) -> None:
    write(roots, "_utils/words.py", "def loud(text): return text.upper()\n")
    write(roots, "_modules/shop.py", "def cry(text): return __utils__['words.loud'](text)\n")
    call(context, "saltutil.sync_all", refresh=False)
    assert call(context, "shop.cry", "hey") == "HEY"


def test_a_state_of_ones_own_runs_and_is_brought_by_the_run_itself(
    roots: Path, context: FunctionContext
) -> None:
    write(
        roots,
        "_states/shop.py",
        "from salt.exceptions import CommandExecutionError\n"
        "def open(name, at=9):\n"
        "    result = {'name': name, 'changes': {}, 'result': True, 'comment': 'open'}\n"
        "    if __opts__['test']:\n"
        "        result['result'] = None\n"
        "    else:\n"
        "        result['changes'] = {'at': at, 'by': __states__['test.nop'](name)['result']}\n"
        "    return result\n"
        "def fails(name):\n"
        "    raise CommandExecutionError('shut today')\n"
        "def nothing(name):\n"
        "    return None\n",
    )
    write(
        roots,
        "main.sls",
        "a:\n  shop.open:\n    - at: 8\nb:\n  shop.fails: []\nc:\n  shop.nothing: []\n",
    )
    found = call(context, "state.apply", "main")
    assert found["shop_|-a_|-a_|-open"]["changes"] == {"at": 8, "by": True}
    assert found["shop_|-b_|-b_|-fails"]["result"] is False
    assert "shut today" in found["shop_|-b_|-b_|-fails"]["comment"]
    assert "Malformed state return" in found["shop_|-c_|-c_|-nothing"]["comment"]
    tested = call(context, "state.apply", "main", test=True)
    assert tested["shop_|-a_|-a_|-open"]["result"] is None


def test_a_minion_may_take_no_code_of_the_roots(roots: Path, context: FunctionContext) -> None:
    write(roots, "_states/shop.py", "def open(name): return {}\n")
    write(roots, "main.sls", "a:\n  shop.open: []\n")
    context.configuration = {**context.configuration, "allow_code_sync": False}
    with pytest.raises(HostError, match="allow_code_sync"):
        call(context, "saltutil.sync_all")
    found = call(context, "state.apply", "main")
    assert "was not found" in found["shop_|-a_|-a_|-open"]["comment"]
    assert not (context.places.state_directory / "custom").exists()


def test_a_run_brings_nothing_where_the_configuration_says_so(
    roots: Path, context: FunctionContext
) -> None:
    write(roots, "_states/shop.py", "def open(name): return {}\n")
    write(roots, "main.sls", "a:\n  shop.open: []\n")
    context.configuration = {**context.configuration, "autoload_dynamic_modules": False}
    found = call(context, "state.apply", "main")
    assert "was not found" in found["shop_|-a_|-a_|-open"]["comment"]
