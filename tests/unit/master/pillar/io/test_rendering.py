"""Renderings of several minions in one process: nothing of one reaches another."""

import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import msgspec
import pytest

from limpet.master.pillar.io import renderer_process
from limpet.master.pillar.io.rendering import QUIET, Elsewhere, Renderings
from limpet.master.pillar.messages import Given, Render, Rendered, Setup
from limpet.states.functions import registry
from limpet.states.pillar.body import decode_pillar

CONFIGURATION = {"nodegroups": {"web": ["web*"]}, "custom": {"names": ["a"], "deep": {"x": {}}}}
ALL = "base: {'*': [a]}\n"


class Workbench:
    """A tree of pillar, and renderings of it in this process."""

    def __init__(self, folder: Path, **configuration: Any) -> None:  # noqa: ANN401
        self.folder = folder
        self.roots = folder / "pillar"
        self.roots.mkdir()
        roots = {"pillar_roots": {"base": [str(self.roots)]}}
        whole = {**CONFIGURATION, **roots, **configuration}
        self.setup = msgspec.msgpack.encode(
            Setup(whole, str(folder / "master.yaml"), str(folder), 20)
        )
        self.foreign: list[int] = []
        """How many files there were in the folder when foreign code was about to run."""

    def write(self, files: Mapping[str, str]) -> None:
        for name, text in {"top.sls": ALL, **files}.items():
            (self.roots / name).write_text(text)

    def renderings(self) -> Renderings:
        return Renderings(
            self.setup,
            lambda _path: None,
            lambda: self.foreign.append(len(list(self.folder.iterdir()))),
        )


def given(minion: str, *, asked_s: float | None = None, **wanted: Any) -> Given:  # noqa: ANN401
    wanted.setdefault("grains", {"roles": ["x"], "deep": {"a": {}}})
    asked = Render(1, minion, msgspec.msgpack.encode(wanted))
    return Given(asked, time.monotonic() if asked_s is None else asked_s)


def data(rendered: Rendered) -> Any:  # noqa: ANN401
    pillar = decode_pillar(rendered.body)
    assert pillar.errors == []
    return pillar.data


@pytest.fixture
def bench(tmp_path: Path) -> Workbench:
    return Workbench(tmp_path)


@pytest.mark.covers("B-47")
@pytest.mark.parametrize(
    "files",
    [
        {"a.sls": "seen: {{ opts.seen | d('no') }}\n{% do opts.update({'seen': grains.id}) %}"},
        {"a.sls": "seen: {{ opts.nodegroups }}\n{% do opts.nodegroups.update({grains.id: 1}) %}"},
        {"a.sls": "seen: {{ opts.deep }}\n{% do opts.deep.x.update({grains.id: 1}) %}"},
        {"a.sls": "seen: {{ grains.deep }}\n{% do grains.deep.a.update({grains.id: 1}) %}"},
        {"a.sls": "seen: {{ pillar }}\n{% do pillar.update({grains.id: 1}) %}"},
        {"a.sls": "{% do salt['pillar.raw']().update({grains.id: 1}) %}seen: {{ pillar }}\n"},
        {
            "a.sls": "{% set c = salt['config.get']('solrcloud.connection') %}seen: {{ c }}\n"
            "{% do c.update({grains.id: 1}) %}"
        },
        {"a.sls": "{% set c = salt['config.get']('names') %}seen: {{ c }}{% do c.append(1) %}\n"},
        {"a.sls": "{% set c = salt['grains.get']('roles') %}seen: {{ c }}{% do c.append(1) %}\n"},
        {
            "a.sls": "{% from 'm.jinja' import kept %}seen: {{ kept }}{% do kept.append(1) %}\n",
            "m.jinja": "{% set kept = [] %}\n",
        },
        {
            "a.sls": "{% import_yaml 'm.yaml' as m %}seen: {{ m }}\n{% do m.l.append(grains.id) %}",
            "m.yaml": "l: [1]\n",
        },
        {"a.sls": "{% set c = [1, {}] %}seen: {{ c }}\n{% do c[1].update({grains.id: 1}) %}"},
        {"a.sls": "{% set n = namespace(a=1) %}seen: {{ n.a }}\n{% set n.a = grains.id %}"},
        {"a.sls": "seen: {{ range.x | d('no') }} {{ cycler.x | d('no') }} {{ self.x | d('no') }}"},
        {
            "a.sls": "#!yaml\nx: {l: [1], m: {a: 1}}\n",
            "b.sls": "include: [a]\nx: {l: [{{ grains.id }}], m: {b: {{ grains.id }}}}\n",
            "top.sls": "base: {'*': [a, b]}\n",
        },
        {"a.sls": '#jinja2: {"trim_blocks": true}\nx: {% if true %}\n1{% endif %}\n'},
    ],
    ids=range(16),
)
def test_what_a_template_changes_is_as_it_was_for_the_next_minion(
    bench: Workbench, files: dict[str, str]
) -> None:
    bench.write(files)
    shared = bench.renderings()
    for number in range(4):
        body = shared.render(given(f"web{number}")).body
        alone = bench.renderings().render(given(f"web{number}"))
        assert body == alone.body
        data(alone)
    assert bench.foreign == []


def test_what_a_template_finds_beside_it_goes_by_its_own_environment(tmp_path: Path) -> None:
    inner = tmp_path / "pillar" / "prod"
    roots = {"base": [str(tmp_path / "pillar")], "prod": [str(inner)]}
    bench = Workbench(tmp_path, pillar_roots=roots)
    for folder, text in ((bench.roots / "web", "base"), (inner / "web", "prod")):
        folder.mkdir(parents=True)
        (folder / "map.jinja").write_text(f"{{% set x = '{text}' %}}")
    (inner / "web" / "init.sls").write_text("{% from './map.jinja' import x %}x: {{ x }}\n")
    (inner / "top.sls").write_text("prod: {'*': [web]}\n")
    bench.write({"top.sls": "base: {'*': [prod.web]}\n"})
    shared = bench.renderings()
    for environment in ("prod", "base", "prod"):
        assert data(shared.render(given("web1", pillarenv=environment))) == {"x": "prod"}


def test_chance_is_not_the_same_for_two_minions(bench: Workbench) -> None:
    filters = {"random_hash": 10**15, "random_str": 32, "rand_str": 10**15}
    lines = [f"{name}: {{{{ {size} | {name} }}}}\n" for name, size in filters.items()]
    lines.append("sample: {{ range(1000) | list | random_sample(9) }}\n")
    lines.append("mac: {{ 'AC:DE:48' | gen_mac }}\n")
    bench.write({"a.sls": "".join(lines)})
    shared = bench.renderings()
    one, two = (data(shared.render(given(name))) for name in ("web1", "web2"))
    assert {key for key in one if one[key] == two[key]} == set()


def test_a_pillar_is_made_of_what_the_files_are_after_it_was_asked_for(bench: Workbench) -> None:
    bench.write({"a.sls": "v: 1\n"})
    shared = bench.renderings()
    early = given("web2")
    assert data(shared.render(given("web1"))) == {"v": 1}
    bench.write({"a.sls": "v: 2\n", "b.sls": "w: 1\n", "top.sls": "base: {'*': [a, b]}\n"})
    assert data(shared.render(early)) == {"v": 1}, "asked before the files were looked at"
    assert data(shared.render(given("web3"))) == {"v": 2, "w": 1}


@pytest.mark.parametrize(
    "text",
    [
        "#!py\nimport pathlib\ndef run():\n    pathlib.Path('MARK').touch()\n    return {}\n",
        "v: {{ salt['cmd.run']('touch MARK') }}\n",
        "v: {{ salt.file.touch('MARK') }}\n",
        "v: {{ salt['slsutil.renderer'](string='#!py\\ndef run(): return {}') }}\n",
        "v: {{ 'ls' | which }}\n",
        "v: {{ salt['defaults.get']('a:b') }}\n",
    ],
    ids=["py", "command", "attribute", "renderer", "filter", "nested"],
)
def test_code_that_can_do_anything_runs_only_where_nobody_elses_pillar_was_rendered(
    bench: Workbench, text: str
) -> None:
    mark = bench.folder / "mark"
    top = "base: {web1: [ok], 'web[2-9]': [a]}\n"
    bench.write({"top.sls": top, "ok.sls": "v: 1\n", "a.sls": text.replace("MARK", str(mark))})
    shared = bench.renderings()
    assert data(shared.render(given("web1"))) == {"v": 1}
    with pytest.raises(Elsewhere):
        shared.render(given("web2"))
    assert not mark.exists()
    assert bench.foreign == []
    before = len(list(bench.folder.iterdir()))
    bench.renderings().render(given("web2"))
    assert bench.foreign == [before], "told once, before the code ran"
    assert mark.exists() == ("MARK" in text)


def test_a_source_that_runs_something_has_a_process_of_its_own_and_one_that_reads_has_not(
    tmp_path: Path,
) -> None:
    tree = tmp_path / "tree"
    (tree / "hosts/web2").mkdir(parents=True)
    (tree / "hosts/web2/key").write_text("of web2\n")
    bench = Workbench(tmp_path, ext_pillar=[{"file_tree": {"root_dir": str(tree)}}])
    bench.write({"a.sls": "v: 1\n"})
    shared = bench.renderings()
    assert data(shared.render(given("web1"))) == {"v": 1}
    assert data(shared.render(given("web2"))) == {"v": 1, "key": "of web2"}
    (tmp_path / "second").mkdir()
    running = Workbench(tmp_path / "second", ext_pillar=[{"cmd_json": "echo '{\"w\": 1}'"}])
    running.write({"a.sls": "v: 1\n"})
    shared = running.renderings()
    assert data(shared.render(given("web1"))) == {"v": 1, "w": 1}
    assert len(running.foreign) == 1


@pytest.mark.parametrize(
    "expression",
    [
        "''.__class__",
        "'{0.__class__}'.format(1)",
        "'{0.__class__}' | method_call('format', 1)",
        "'{a.__class__}' | method_call('format_map', {'a': 1})",
        "dict | method_call('mro')",
        "salt['grains.get'].__globals__",
        "salt.grains.get.__closure__",
        "cycler.__init__.__globals__",
        "salt | attr('_functions')",
    ],
)
def test_a_template_does_not_get_out_of_its_sandbox(bench: Workbench, expression: str) -> None:
    bench.write({"a.sls": "v: {{ (" + expression + ") | string | length }}\n"})
    rendered = bench.renderings().render(given("web1"))
    assert rendered.has_errors
    assert bench.foreign == []


def test_the_functions_that_leave_nothing_behind_are_there() -> None:
    assert [name for name in sorted(QUIET) if registry.find(name) is None] == []


def test_a_process_that_grows_old_just_before_it_is_given_something_renders_it(
    bench: Workbench, monkeypatch: pytest.MonkeyPatch
) -> None:
    bench.write({"a.sls": "v: {{ grains.id }}\n"})
    renderer = renderer_process.RenderingProcess(bench.setup, 10.0)
    try:
        monkeypatch.setattr(renderer_process, "LIFE_S", 0.0)
        renderer.give(given("web1"))
        while (heard := renderer.hear()) is None:
            assert not renderer.has_ended
            time.sleep(0.01)
        assert isinstance(heard, Rendered)
        assert data(heard) == {"v": "web1"}
        assert renderer.is_over
    finally:
        renderer.end()
