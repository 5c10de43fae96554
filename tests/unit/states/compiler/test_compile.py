"""From a tree to low chunks: what the cases of Salt do not show."""

import time

import pytest

from limpet.states.compiler.compile import PillarFailed
from support.states.sls_trees import compilation, errors, ids, low


def test_what_must_run_early_draws_forward_what_it_needs() -> None:
    chunks = low(
        """
a: {test.nop: [{order: 1}, {require: [{test: z}]}]}
m: {test.nop: [{order: 2}]}
z: {test.nop: [{order: last}]}
"""
    )
    assert ids(chunks) == ["z", "a", "m"]


def test_requisites_in_a_list_reach_each_target() -> None:
    chunks = low(
        """
a: {test.nop: [{require_in: [{test: x}, y]}, {watch_in: {test: x}}]}
x: test.nop
y: test.nop
"""
    )
    by_id = {each["__id__"]: each for each in chunks}
    assert by_id["x"]["watch"] == [{"test": "a"}]
    assert {"test": "a"} in by_id["x"]["require"]
    assert by_id["y"]["require"] == [{"test": "a"}]


def test_watch_of_a_module_that_cannot_react_becomes_require() -> None:
    chunks = low("a: test.nop\nf: {file.touch: [{watch: [{test: a}]}, {watch_any: [a]}]}\n")
    assert chunks[1]["require"] == [{"test": "a"}]
    assert chunks[1]["require_any"] == ["a"]
    assert "watch" not in chunks[1]


def test_globs_and_sls_match_in_requisites() -> None:
    tree = {
        "main.sls": "include: [web.one, web.two]\n"
        "last: {test.nop: [{require: [{sls: 'web.*'}, {file: '/etc/*'}]}, {order: first}]}\n",
        "web/one.sls": "/etc/a: file.absent\n",
        "web/two.sls": "b: test.nop\n",
    }
    assert ids(low(tree)) == ["/etc/a", "b", "last"]


def test_use_hands_over_what_is_not_set_and_no_requisites() -> None:
    chunks = low(
        """
a: {file.managed: [{name: /a}, {mode: '0600'}, {user: u}, {require: [{test: t}]}]}
b: {file.managed: [{name: /b}, {user: own}, {use: [{file: a}]}]}
t: test.nop
"""
    )
    b = next(each for each in chunks if each["__id__"] == "b")
    assert (b["mode"], b["user"], b["name"], "require" in b) == ("0600", "own", "/b", False)


def test_a_tree_of_several_environments_includes_across_them() -> None:
    tree = {
        "main.sls": "include:\n  - dev: shared\n  - _xenv: here\nm: test.nop\n",
        "here.sls": "h: test.nop\n",
    }
    chunks = low(tree, dev={"shared.sls": "s: test.nop\n"})
    assert [(each["__id__"], each["__env__"]) for each in chunks] == [
        ("s", "dev"),
        ("h", "base"),
        ("m", "base"),
    ]


def test_saltenv_takes_states_and_top_from_that_environment() -> None:
    base = {"top.sls": "base:\n  '*': [a]\n", "a.sls": "a: test.nop\n"}
    dev = {"top.sls": "dev:\n  'web*': [d]\n", "d.sls": "d: {test.nop: [{e: '{{ saltenv }}'}]}\n"}
    both = compilation(base, dev=dev).low_of_top()
    only = compilation(base, dev=dev, saltenv="dev").low_of_top()
    assert ids(both.chunks) == ["a", "d"]
    assert [(each["__id__"], each["e"]) for each in only.chunks] == [("d", "dev")]


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("merge", {"base": ["a"], "dev": ["b"]}),
        ("same", {"base": ["a"], "dev": ["d"]}),
        ("merge_all", {"base": ["a", "x"], "dev": ["b", "d"]}),
    ],
)
def test_top_files_are_merged_by_strategy(strategy: str, expected: dict[str, list[str]]) -> None:
    base = {"top.sls": "base:\n  '*': [a]\ndev:\n  '*': [b]\n"}
    dev = {"top.sls": "dev:\n  '*': [d]\nbase:\n  '*': [x]\n"}
    made = compilation(base, dev=dev, configuration={"top_file_merging_strategy": strategy})
    assert made.show_top() == expected


def test_a_top_file_that_does_not_render_is_an_error_and_not_an_empty_run() -> None:
    made = compilation({"top.sls": "base:\n  '*': [a]\n  '*': [b]\n"})
    shown = made.show_top()
    assert isinstance(shown, list)
    assert "conflicting ID '*'" in shown[0]
    assert "/srv/base/top.sls" in shown[0]


def test_top_files_include_others_and_name_matchers() -> None:
    tree = {
        "top.sls": "include: ['more.*']\nbase:\n  'role:x': [{match: pillar}, p]\n",
        "more/one.sls": "base:\n  'os:Debian': [{match: grain}, g]\n",
    }
    pillar = {"top.sls": "base:\n  '*': [r]\n", "r.sls": "role: x\n"}
    assert compilation(tree, pillar=pillar).show_top() == {"base": ["p", "g"]}


def test_a_target_that_nobody_understands_means_nobody_and_is_told() -> None:
    made = compilation({"top.sls": "base:\n  'a and and': [x]\n  'v': [{match: nope}, y]\n"})
    assert made.show_top() == {}
    assert len(made.matching.faults) == 2


def test_exclusions_and_whitelists_leave_out_states() -> None:
    tree = {"top.sls": "base:\n  '*': [a, b]\n", "a.sls": "a: test.nop\n", "b.sls": "b: test.nop\n"}
    assert ids(compilation(tree).low_of_top(exclude=["a"]).chunks) == ["b"]
    assert ids(compilation(tree).low_of_top(exclude=[{"id": "b"}]).chunks) == ["a"]
    assert ids(compilation(tree).low_of_top(whitelist=["b"]).chunks) == ["b"]


@pytest.mark.covers("B-60")
@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("a: {test.nop: [{require: [{test: a}]}]}", "Recursive requisites were found: "),
        ("a: {test.nop: [{require: [{test: 5}]}]}", "must have a string as the value"),
        ("a: {test.nop: [{require: [{test.nop: b}]}]}\nb: test.nop", "must not contain dots"),
        ("a: {test.nop: [{require: [[x]]}]}", "not formed as a single key dictionary"),
        ("a: {test.nop: [{require: [{test: [1]}]}]}", "Illegal requisite"),
        ("a: {test.nop: null}", "trailing colon"),
        ("a: {test.nop: {x: 1}}", "is not formed as a list"),
        ("a: {test: [nop, 'an argument']}", "has whitespace"),
        ("a: {test.nop: [{names: x}]}", "'names' argument"),
        ("a: {test.nop: [{require_in: [{test: none}]}]}", "Cannot extend ID 'none'"),
        ("extend: [x]", "Extension value in SLS 'main' is not a dictionary"),
        ("extend: {a: x}", "Extension name 'a' in SLS 'main' is not a dictionary"),
        ("exclude: x", "Exclude Declaration in SLS main is not formed as a list"),
        ("[1, 2]", "SLS main does not render to a dictionary"),
        ("include: [{nowhere: x}]", "Nonexistent saltenv 'nowhere'"),
        ("include: [[x]]", "Badly formatted include"),
        ("include: [..x]", "goes beyond top level package"),
    ],
)
def test_what_is_wrong_is_told_before_anything_runs(text: str, error: str) -> None:
    found = errors(text)
    assert any(error in each for each in found), found


def test_every_error_of_a_tree_is_told_at_once() -> None:
    tree = {"main.sls": "include: [x, y]\na: 5\n", "x.sls": "{{ no }}", "y.sls": "a: [\n"}
    found = errors(tree)
    assert len(found) == 3
    assert "Rendering SLS 'base:x' failed: Jinja variable 'no' is undefined; line 1" in found[1]


def test_the_place_of_each_declaration_is_known() -> None:
    made = compilation({"main.sls": "a:\n  pkg.installed: []\nb: test.nop\n"}).low_of_sls(["main"])
    places = made.highstate.places
    assert (places["b",].path, places["b",].line) == ("/srv/base/main.sls", 3)
    assert places["a", "pkg.installed"].line == 2


def test_states_are_not_compiled_over_a_broken_pillar() -> None:
    pillar = {"top.sls": "base:\n  '*': [bad, none]\n", "bad.sls": "a: [\n"}
    made = compilation({"main.sls": "a: test.nop\n"}, pillar=pillar)
    with pytest.raises(PillarFailed, match="Rendering SLS 'bad' failed") as caught:
        made.show_low_sls(["main"])
    assert caught.value.errors[1].startswith("Specified SLS 'none' in environment 'base'")
    assert (caught.value.problems[0].path, caught.value.problems[0].line) == (
        "/srv/base/bad.sls",
        2,
    )


def test_high_data_from_outside_is_compiled_and_not_changed() -> None:
    high = {"x": {"test": ["nop", {"value": 1}]}}
    made = compilation({}).low_of_high(high)
    assert [(each["__id__"], each["fun"], each["value"]) for each in made.chunks] == [
        ("x", "nop", 1)
    ]
    assert high == {"x": {"test": ["nop", {"value": 1}]}}


def test_disabled_requisites_are_left_out_of_the_order() -> None:
    tree = "a: {test.nop: [{require: [{test: b}]}]}\nb: test.nop\n"
    assert ids(low(tree, configuration={"disabled_requisites": ["require"]})) == ["a", "b"]


def test_compiling_twice_gives_the_same() -> None:
    tree = {"top.sls": "base:\n  '*': [main]\n", "main.sls": "a: {test.nop: [{names: [x, y]}]}\n"}
    made = compilation(tree)
    assert made.show_lowstate() == made.show_lowstate()
    assert made.show_highstate() == made.show_highstate()


@pytest.mark.covers("B-60")
def test_a_long_chain_of_requisites_is_ordered_soon_and_a_long_circle_is_found() -> None:
    count = 5000
    lines = [f"s{n}: {{test.nop: [{{require: [{{test: s{n + 1}}}]}}]}}" for n in range(count)]
    before = time.monotonic()
    chunks = low("\n".join([*lines, f"s{count}: test.nop"]))
    assert ids(chunks)[0] == f"s{count}"
    circle = errors("\n".join([*lines, f"s{count}: {{test.nop: [{{require: [{{test: s0}}]}}]}}"]))
    assert circle[0].startswith("Recursive requisites were found: ({'SLS': 'main', 'ID': '")
    assert time.monotonic() - before < 60


def test_more_states_than_a_run_may_have_are_refused() -> None:
    text = "{% for i in range(20001) %}s{{ i }}: test.nop\n{% endfor %}"
    assert errors(text) == ["more than 20000 states"]


def test_options_tell_the_environment_that_is_compiled() -> None:
    tree = {
        "top.sls": "base:\n  '*': [main]\n",
        "main.sls": "a: {test.nop: [{v: '{{ opts.saltenv }} {{ opts.pillarenv }} {{ opts.id }}'}]}",
    }
    made = compilation(tree, pillarenv="dev")
    assert made.low_of_top().chunks[0]["v"] == "None dev web1"
    assert made.low_of_sls(["main"]).chunks[0]["v"] == "base dev web1"
    assert made.low_of_top().chunks[0]["v"] == "None dev web1"


def test_odd_forms_of_a_top_file_stop_a_run_and_not_what_is_shown() -> None:
    tree = {"top.sls": "base:\n  '*': main\n", "main.sls": "a: test.nop\n"}
    made = compilation(tree)
    assert "are not formed as a list (got str)" in made.low_of_top().errors[0]
    assert [each["__id__"] for each in made.show_lowstate() if isinstance(each, dict)] == ["a"]
