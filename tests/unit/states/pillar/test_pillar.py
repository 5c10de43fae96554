"""Pillar: what the cases of Salt do not show."""

import pytest

from limpet.states.pillar.lookup import get
from limpet.states.pillar.merging import merge
from support.states.sls_trees import compilation


@pytest.mark.parametrize(
    ("strategy", "expected"),
    [
        ("smart", {"m": {"a": 1, "b": {"x": 1, "y": 2}}, "l": [2], "s": 2}),
        ("recurse", {"m": {"a": 1, "b": {"x": 1, "y": 2}}, "l": [2], "s": 2}),
        ("unheard of", {"m": {"a": 1, "b": {"x": 1, "y": 2}}, "l": [2], "s": 2}),
        ("aggregate", {"m": {"b": {"y": 2}}, "l": [2], "s": 2}),
        ("overwrite", {"m": {"b": {"y": 2}}, "l": [2], "s": 2}),
        ("list", {"m": [{"a": 1, "b": {"x": 1}}, {"b": {"y": 2}}], "l": [[1], [2]], "s": [1, 2]}),
    ],
)
def test_a_strategy_merges_as_it_is_named(strategy: str, expected: dict[str, object]) -> None:
    under = {"m": {"a": 1, "b": {"x": 1}}, "l": [1], "s": 1}
    over = {"m": {"b": {"y": 2}}, "l": [2], "s": 2}
    assert merge(under, over, strategy) == expected
    assert under == {"m": {"a": 1, "b": {"x": 1}}, "l": [1], "s": 1}


def test_lists_are_joined_where_the_configuration_says_so() -> None:
    assert merge({"l": [1, 2]}, {"l": [2, 3]}, is_joining_lists=True) == {"l": [1, 2, 3]}
    pillar = {"top.sls": "base:\n  '*': [a, b]\n", "a.sls": "l: [1]\n", "b.sls": "l: [2]\n"}
    made = compilation({}, pillar=pillar, configuration={"pillar_merge_lists": True})
    assert made.pillar_items() == {"l": [1, 2]}


def test_a_value_is_found_by_its_path_and_merged_over_a_default() -> None:
    pillar = {"a": {"b": [1, {"c": 2}]}, "m": {"x": {"y": 1}}, "n": None}
    assert get(pillar, "a:b:1:c") == 2
    assert get(pillar, "a/b/0", delimiter="/") == 1
    assert get(pillar, "a:none", "default") == "default"
    assert get(pillar, "none") == ""
    assert get(pillar, "n", "default") is None
    default = {"x": {"z": 2}, "w": 3}
    assert get(pillar, "m", default, is_merging=True) == {"x": {"y": 1, "z": 2}, "w": 3}
    assert default == {"x": {"z": 2}, "w": 3}
    assert get(pillar, "a:b", [0, 1], is_merging=True) == [0, 1, {"c": 2}]
    assert get(pillar, "n", {"d": 1}, is_merging=True) is None


def test_the_top_file_orders_targets_and_ignores_what_may_be_missing() -> None:
    pillar = {
        "top.sls": "base:\n  'web*': [{order: 2}, two]\n  '*': [{order: 1}, one]\n"
        "  'os:Debian': [{match: grain}, {ignore_missing: true}, none]\n",
        "one.sls": "v: 1\n",
        "two.sls": "v: 2\n",
    }
    made = compilation({}, pillar=pillar)
    assert made.pillar_items() == {"v": 2}


def test_includes_may_override_the_file_that_includes_them() -> None:
    pillar = {
        "top.sls": "base:\n  '*': [main]\n",
        "main.sls": "include: [sub]\nv: main\n",
        "sub.sls": "v: sub\n",
    }
    assert compilation({}, pillar=pillar).pillar_items() == {"v": "main"}
    overriding = compilation(
        {}, pillar=pillar, configuration={"pillar_includes_override_sls": True}
    )
    assert overriding.pillar_items() == {"v": "sub"}


def test_files_include_each_other_without_end_once() -> None:
    pillar = {
        "top.sls": "base:\n  '*': [a]\n",
        "a.sls": "include: [b]\na: 1\n",
        "b.sls": "include: [a]\nb: 1\n",
    }
    assert compilation({}, pillar=pillar).pillar_items() == {"a": 1, "b": 1}


def test_an_override_is_laid_over_everything() -> None:
    pillar = {"top.sls": "base:\n  '*': [a]\n", "a.sls": "a: {x: 1, y: 2}\n"}
    made = compilation({}, pillar=pillar, pillar_override={"a": {"y": 3}, "new": 1})
    assert made.pillar_items() == {"a": {"x": 1, "y": 3}, "new": 1}


@pytest.mark.parametrize(
    ("pillar", "error"),
    [
        ({"top.sls": "base: [\n"}, "Rendering Primary Top file failed, render error:\n"),
        ({"top.sls": "[1]\n"}, "Error encountered while rendering pillar top file."),
        ({"top.sls": "other: {'*': [a]}\n"}, "No matching pillar environment for environment"),
        ({"top.sls": "base: [a]\n"}, "Error encountered while rendering pillar top file."),
        ({"top.sls": "base:\n  '*': [a]\n", "a.sls": "- 1\n"}, "does not render to a dictionary"),
        (
            {"top.sls": "base:\n  '*': [a]\n", "a.sls": "include: x\n"},
            "Include Declaration in SLS 'a' is not formed as a list",
        ),
        (
            {"top.sls": "base:\n  '*': [a]\n", "a.sls": "v: {{ none_such }}\n"},
            "Rendering SLS 'a' failed. Please see master log for details.",
        ),
    ],
)
def test_what_is_wrong_with_pillar_is_told(pillar: dict[str, str], error: str) -> None:
    made = compilation({}, pillar=pillar)
    assert any(error in each for each in made.pillar.errors), made.pillar.errors


def test_the_text_of_a_broken_file_is_told_only_where_that_is_wanted() -> None:
    pillar = {"top.sls": "base:\n  '*': [a]\n", "a.sls": "password: hunter2\nv: {{ no }}\n"}
    hidden = compilation({}, pillar=pillar).pillar
    assert not any("undefined" in each or "hunter2" in each for each in hidden.errors)
    assert (hidden.problems[0].path, hidden.problems[0].line) == ("/srv/base/a.sls", 2)
    told = compilation({}, pillar=pillar, configuration={"pillar_safe_render_error": False}).pillar
    assert "'no' is undefined" in told.errors[0]
