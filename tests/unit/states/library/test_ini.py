"""The `ini` states on real files; results, changes and files are Salt's own."""

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.states.functions.ini import put
from limpet.states.functions.ini.document import Document
from support.states.state_bench import StateBench

TEXT = "; c\ntop = 1\n\n[one]\na = 1\nb=2\n# com\nc : 3\n[two]\nx = y z\n\n[empty]\n"


@pytest.fixture
def bench(tmp_path: Path) -> StateBench:
    (tmp_path / "f.ini").write_text(TEXT)
    return StateBench(tmp_path)


def law(bench: StateBench, state: str, **asked: Any) -> Any:  # noqa: ANN401
    """Hold a run against its announcement and a second run; Salt announces by the result alone."""
    path = bench.place / "f.ini"
    given_ = {"name": str(path), **asked}
    before = path.read_text()
    announced = bench.call(state, is_test=True, **given_)
    assert path.read_text() == before
    done = bench.call(state, **given_)
    assert announced.result is (None if done.changes else True)
    after = path.read_text()
    assert (after != before) is bool(done.changes)
    again = bench.call(state, **given_)
    assert (again.result, again.changes, again.comment) == (True, {}, "No anomaly detected")
    assert path.read_text() == after
    return done.changes


def test_options_are_set_and_comments_stay(bench: StateBench) -> None:
    changes = law(bench, "ini.options_present", sections={"one": {"a": 9, "n": 5}, "new": {"k": 1}})

    assert changes == {
        "one": {"a": {"before": "1", "after": "9"}, "n": {"before": None, "after": "5"}},
        "new": {"before": None, "after": {"k": "1"}},
    }
    assert (bench.place / "f.ini").read_text() == (
        "; c\ntop = 1\n\n[one]\na = 9\nb = 2\n# com\nc : 3\nn = 5\n\n[two]\nx = y z\n\n[empty]\n\n"
        "[new]\nk = 1\n"
    )


def test_strict_leaves_nothing_else(bench: StateBench) -> None:
    changes = law(bench, "ini.options_present", sections={"one": {"a": 1}}, strict=True)

    assert changes == {
        "top": {"before": "1", "after": None},
        "empty": {"before": {}, "after": None},
        "two": {"before": {"x": "y z"}, "after": None},
        "one": {"b": {"before": "2", "after": None}},
    }
    assert (bench.place / "f.ini").read_text() == "; c\n\n[one]\na = 1\n# com\nc : 3\n"


@pytest.mark.parametrize(
    ("state", "sections", "changes"),
    [
        ("options_present", {"one": {"a": 1}}, {}),
        ("options_present", {"top": 5}, {"top": {"before": "1", "after": "5"}}),
        ("options_absent", {"one": ["a", "no"], "no": ["x"]}, {"one": {"a": "1"}}),
        ("options_absent", {"top": None}, {"top": "1"}),
        ("sections_present", ["one", "three"], {"three": {"before": None, "after": {}}}),
        ("sections_absent", ["one", "no"], {"one": {"a": "1", "b": "2"}}),
        ("sections_absent", ["no"], {}),
    ],
)
def test_what_is_changed_is_told(
    bench: StateBench, state: str, sections: object, changes: dict[str, Any]
) -> None:
    assert law(bench, f"ini.{state}", sections=sections) == changes


def test_other_forms_are_written(bench: StateBench) -> None:
    law(bench, "ini.options_present", sections={"one": {"a": 9}}, no_spaces=True)
    assert "[one]\na=9\nb=2\n" in (bench.place / "f.ini").read_text()
    (bench.place / "f.ini").write_text("[s]\na 1\n")
    law(bench, "ini.options_present", sections={"s": {"a": "2", "z": "3"}}, separator=" ")
    assert (bench.place / "f.ini").read_text() == "[s]\na 2\nz 3\n"
    name = str(bench.place / "f.ini")
    refused = bench.call("ini.options_present", name=name, sections={"s": {"a": "x\ny"}})
    assert "several lines" in str(refused.comment)
    odd = bench.call("ini.options_present", name=name, sections={}, encoding="nope")
    assert odd.result is False


def test_functions_look_and_change(bench: StateBench) -> None:
    path = str(bench.place / "f.ini")

    def call(name: str, *positional: Any) -> Any:  # noqa: ANN401
        return bench.context().call(f"ini.{name}", path, *positional)

    assert call("get_option", "one", "a") == "1"
    assert call("get_option", "no", "a") is None
    assert call("get_section", "one") == {"a": "1", "b": "2"}
    assert call("get_ini")["top"] == "1"
    assert call("set_option", {"one": {"a": "2"}}) == {"one": {"a": {"before": "1", "after": "2"}}}
    assert call("set_option", {"one": {"a": "2"}}) == {}
    assert call("remove_option", "one", "a") == "2"
    assert call("remove_option", "one", "a") is None
    assert call("remove_section", "two") == {"x": "y z"}
    assert call("remove_section", "two") is None


NAMES = st.text("abc_.-", min_size=1, max_size=5)
VALUES = st.text("abc =#;[]:", max_size=8).map(str.strip)


@given(st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=4), max_size=4))
def test_what_is_put_is_read_again(wanted: dict[str, dict[str, str]]) -> None:
    document = Document(TEXT)
    put(document, wanted)
    read = Document(document.text())

    assert read.data() == document.data()
    assert put(read, wanted) == {}
    assert read.text() == document.text()
