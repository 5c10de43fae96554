"""States that edit a file's text, by what they make of it."""

from pathlib import Path
from typing import Any

import pytest

from support.states.state_bench import StateBench


@pytest.fixture
def bench(tmp_path: Path) -> StateBench:
    return StateBench(tmp_path)


def edited(bench: StateBench, before: str, state: str, /, **arguments: Any) -> str:  # noqa: ANN401
    path = bench.place / "f"
    path.write_text(before)
    outcome = bench.call(state, name=str(path), **arguments)
    assert outcome.result is True, outcome
    return path.read_text()


@pytest.mark.parametrize(
    "before, arguments, after",
    [
        ("a=1\nb=2\n", {"pattern": "^a=.*", "repl": "a=9"}, "a=9\nb=2\n"),
        ("A=1\n", {"pattern": "^a=.*", "repl": "x", "flags": ["IGNORECASE"]}, "x\n"),
        ("a a\n", {"pattern": "a", "repl": "b", "count": 1}, "b a\n"),
        ("k1\n", {"pattern": r"k(\d)", "repl": r"v\1"}, "v1\n"),
        ("x", {"pattern": "y", "repl": "z", "append_if_not_found": True}, "x\nz\n"),
        ("x\n", {"pattern": "y", "repl": "z", "prepend_if_not_found": True}, "z\nx\n"),
        ("z\n", {"pattern": "y", "repl": "z", "append_if_not_found": True}, "z\n"),
        (
            "x\n",
            {"pattern": "y", "repl": "n", "append_if_not_found": True, "not_found_content": "c"},
            "x\nc\n",
        ),
        ("p\n", {"pattern": "p", "repl": "\\d", "backslash_literal": True}, "\\d\n"),
    ],
)
def test_replace(bench: StateBench, before: str, arguments: dict[str, Any], after: str) -> None:
    assert edited(bench, before, "file.replace", **arguments) == after


def test_replace_keeps_the_old_file_beside(bench: StateBench) -> None:
    edited(bench, "old\n", "file.replace", pattern="old", repl="new")
    assert (bench.place / "f.bak").read_text() == "old\n"

    (bench.place / "f.bak").unlink()
    edited(bench, "old\n", "file.replace", pattern="old", repl="new", backup=False)
    assert not (bench.place / "f.bak").exists()


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ({"pattern": "(", "repl": "x"}, "is no regular expression"),
        ({"pattern": "x", "repl": r"\9"}, "can't stand for what"),
        ({"pattern": "x", "repl": "y", "flags": ["NOSUCH"]}, "there is no flag"),
    ],
)
def test_replace_tells_what_it_cannot_do(
    bench: StateBench, arguments: dict[str, Any], complaint: str
) -> None:
    (bench.place / "f").write_text("x\n")

    outcome = bench.call("file.replace", name=str(bench.place / "f"), **arguments)

    assert outcome.result is False
    assert complaint in str(outcome.comment)


def test_a_file_that_is_not_there_is_a_failure_unless_that_is_ignored(bench: StateBench) -> None:
    asked: dict[str, Any] = {"name": str(bench.place / "gone"), "pattern": "x", "repl": "y"}

    assert bench.call("file.replace", **asked).result is False
    assert bench.call("file.replace", **asked, ignore_if_missing=True).result is True


@pytest.mark.parametrize(
    "before, arguments, after",
    [
        ("a\nb\n", {"regex": "^b"}, "a\n#b\n"),
        ("a\n", {"regex": "^a$", "char": ";"}, ";a\n"),
        ("#a\n", {"regex": "^a"}, "#a\n"),
        ("#a\n", {"regex": "a"}, "#a\n"),
        ("#a\na\n", {"regex": "a"}, "#a\n#a\n"),
        (" #a\n", {"regex": "a"}, " #a\n"),
        ("# a\n", {"regex": "a", "char": "# "}, "# a\n"),
        ("  a\n", {"regex": r"^\s*a"}, "#  a\n"),
    ],
)
def test_comment(bench: StateBench, before: str, arguments: dict[str, Any], after: str) -> None:
    assert edited(bench, before, "file.comment", **arguments) == after


@pytest.mark.parametrize(
    "before, regex, told",
    [
        ("#a\n", "#a", "#a: Pattern not found"),
        ("xa\n", "a", "a: Pattern not found"),
        ("# a\n", "a", "a: Pattern not found"),
        ("  a\n", "^a", "Expected commented lines not found"),
        ("a=1\n", "^a$", "Expected commented lines not found"),
    ],
)
@pytest.mark.parametrize("is_test", [True, False])
def test_what_can_not_be_commented_is_a_failure_and_announced_as_one(
    bench: StateBench, before: str, regex: str, told: str, is_test: bool
) -> None:
    (bench.place / "f").write_text(before)

    outcome = bench.call("file.comment", is_test=is_test, name=str(bench.place / "f"), regex=regex)

    assert (outcome.result, outcome.comment) == (False, told)
    assert (bench.place / "f").read_text() == before


def test_uncomment(bench: StateBench) -> None:
    assert edited(bench, "#a\n#b\n", "file.uncomment", regex="a") == "a\n#b\n"
    assert edited(bench, "a\n", "file.uncomment", regex="a") == "a\n"


def test_a_pattern_that_is_nowhere_is_a_failure(bench: StateBench) -> None:
    (bench.place / "f").write_text("x\n")
    name = str(bench.place / "f")

    assert bench.call("file.comment", name=name, regex="^y").result is False
    assert bench.call("file.comment", name=name, regex="^y", ignore_missing=True).result is True
    assert bench.call("file.uncomment", name=name, regex="y").result is False


@pytest.mark.parametrize(
    "before, arguments, after",
    [
        ("a\n", {"text": ["b", "c"]}, "a\nb\nc\n"),
        ("a", {"text": "b"}, "a\nb\n"),
        ("a  b\n", {"text": "a b"}, "a  b\n"),
        ("a  b\n", {"text": "a b", "ignore_whitespace": False}, "a  b\na b\n"),
        ("x\ny\n", {"text": "x\ny"}, "x\ny\n"),
        ("a.c\n", {"text": "abc"}, "a.c\nabc\n"),
    ],
)
def test_append(bench: StateBench, before: str, arguments: dict[str, Any], after: str) -> None:
    assert edited(bench, before, "file.append", **arguments) == after


def test_prepend_may_insist_on_the_head(bench: StateBench) -> None:
    assert edited(bench, "b\na\n", "file.prepend", text="a") == "b\na\n"
    assert edited(bench, "b\na\n", "file.prepend", text="a", header=True) == "a\nb\na\n"


@pytest.mark.parametrize(
    "before, arguments, after",
    [
        ("a\nb\n", {"mode": "delete", "content": "a"}, "b\n"),
        ("a\nb\n", {"mode": "delete", "match": "^b"}, "a\n"),
        ("  a\n", {"mode": "replace", "match": "a", "content": "b"}, "  b\n"),
        ("a\n", {"mode": "insert", "location": "start", "content": "x"}, "x\na\n"),
        ("a\nb\n", {"mode": "insert", "before": "b", "content": "x"}, "a\nx\nb\n"),
        ("a\nb\n", {"mode": "ensure", "after": "a", "content": "x"}, "a\nx\nb\n"),
        ("a\nx\nb\n", {"mode": "ensure", "after": "a", "content": "x"}, "a\nx\nb\n"),
        ("a\ny\nb\n", {"mode": "ensure", "after": "a", "before": "b", "content": "x"}, "a\nx\nb\n"),
        ("a\nb\n", {"mode": "ensure", "after": "a", "before": "b", "content": "x"}, "a\nx\nb\n"),
    ],
)
def test_line(bench: StateBench, before: str, arguments: dict[str, Any], after: str) -> None:
    assert edited(bench, before, "file.line", **arguments) == after


@pytest.mark.parametrize(
    "arguments, complaint",
    [
        ({"content": "x"}, "Mode was not defined"),
        ({"content": "x", "mode": "other"}, "Unknown mode: other"),
        ({"content": "x", "mode": "ensure"}, "Unable to ensure line"),
        ({"content": "x", "mode": "insert"}, "On insert either"),
        ({"mode": "replace"}, "Content can only be empty if mode is delete"),
        ({"content": "x", "mode": "ensure", "after": "a"}, "more than expected occurrences"),
    ],
)
def test_line_tells_what_it_cannot_do(
    bench: StateBench, arguments: dict[str, Any], complaint: str
) -> None:
    (bench.place / "f").write_text("a\na\n")

    outcome = bench.call("file.line", name=str(bench.place / "f"), **arguments)

    assert outcome.result is False
    assert complaint in str(outcome.comment)


START, END = "#-- start managed zone --\n", "#-- end managed zone --\n"


@pytest.mark.parametrize(
    "before, arguments, after",
    [
        (f"a\n{START}old\n{END}b\n", {"content": "new"}, f"a\n{START}new\n{END}b\n"),
        (f"{START}{END}", {"content": "one\ntwo\n"}, f"{START}one\ntwo\n{END}"),
        ("a", {"content": "x", "append_if_not_found": True}, f"a\n{START}x\n{END}"),
        ("a\n", {"content": "x", "prepend_if_not_found": True}, f"{START}x\n{END}a\n"),
        (
            "a\nb\n",
            {"content": "x", "append_if_not_found": True, "insert_before_match": "b"},
            f"a\n{START}x\n{END}b\n",
        ),
    ],
)
def test_blockreplace(
    bench: StateBench, before: str, arguments: dict[str, Any], after: str
) -> None:
    assert edited(bench, before, "file.blockreplace", **arguments) == after


@pytest.mark.parametrize(
    "before, complaint",
    [
        ("a\n", "Markers were not found"),
        (START, "End of file reached before marker_end"),
        (END, "Unterminated marked block"),
    ],
)
def test_blockreplace_needs_both_marks(bench: StateBench, before: str, complaint: str) -> None:
    (bench.place / "f").write_text(before)

    outcome = bench.call("file.blockreplace", name=str(bench.place / "f"), content="x")

    assert outcome.result is False
    assert complaint in str(outcome.comment)


def test_bytes_that_are_no_utf8_come_through(bench: StateBench) -> None:
    path = bench.place / "f"
    path.write_bytes(b"caf\xe9\nx\n")

    outcome = bench.call("file.replace", name=str(path), pattern="^x$", repl="y", backup=False)

    assert path.read_bytes() == b"caf\xe9\ny\n"
    assert outcome.changes["diff"].isprintable() is False
    assert "\udce9" not in outcome.changes["diff"]


def test_directory_cleans_what_nobody_keeps(bench: StateBench) -> None:
    top = bench.place / "d"
    (top / "sub").mkdir(parents=True)
    for name in ("stray", "kept", "sub/deep", "log.txt"):
        (top / name).write_text("x")
    context = bench.context()
    context.lowstate = [
        {"state": "file", "fun": "managed", "__id__": "k", "name": str(top / "kept")}
    ]
    from limpet.states.library.file.directory import DirectoryOptions, directory

    outcome = directory(
        context,
        DirectoryOptions(str(top), clean=True, require=[{"file": "k"}], exclude_pat="*.txt"),
    )

    assert sorted(each.name for each in top.iterdir()) == ["kept", "log.txt"]
    assert outcome.changes["removed"] == [str(top / "stray"), str(top / "sub")]


def test_directory_gives_modes_to_what_is_below(bench: StateBench) -> None:
    top = bench.place / "d"
    (top / "sub").mkdir(parents=True)
    (top / "f").write_text("x")

    bench.call("file.directory", name=str(top), dir_mode="0750", file_mode="0640", recurse=["mode"])

    assert [each.stat().st_mode & 0o777 for each in (top, top / "sub", top / "f")] == [
        0o750, 0o750, 0o640,
    ]  # fmt: skip
