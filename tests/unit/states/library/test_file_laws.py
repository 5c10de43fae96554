"""Laws that hold for every `file` state, over generated arguments in a directory of their own.

Test mode changes nothing; it announces a change exactly where the run then makes one; and what has
been run once needs no second run.
"""

import os
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from support.state_bench import FakeTree, StateBench

NAMES = st.sampled_from(["a", "b", "d/x", "d/y", "new/z", "l", "d", "new"])
TEXTS = st.sampled_from(["", "one", "one\n", "one\ntwo\n", "two", "# one", "key=1", "three\n\n"])
MODES = st.sampled_from([None, "0644", "0600", 640, "0755"])
BOOLEANS = st.booleans()


def arguments(**more: st.SearchStrategy[Any]) -> st.SearchStrategy[dict[str, Any]]:
    return st.fixed_dictionaries({"name": NAMES}, optional=more)


STATES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "file.managed": st.one_of(
        arguments(contents=TEXTS, mode=MODES, makedirs=BOOLEANS, replace=BOOLEANS),
        arguments(source=st.just("salt://src"), mode=MODES, makedirs=BOOLEANS, create=BOOLEANS),
        arguments(mode=MODES, makedirs=BOOLEANS),
    ),
    "file.directory": arguments(
        mode=MODES,
        makedirs=st.just(True),
        clean=BOOLEANS,
        force=BOOLEANS,
        file_mode=MODES,
        recurse=st.sampled_from([["mode"], None, ["mode", "ignore_files"]]),
    ),
    "file.absent": arguments(),
    "file.symlink": arguments(
        target=st.sampled_from(["a", "b"]), force=BOOLEANS, makedirs=st.just(True)
    ).map(lambda each: {"target": "a", **each}),
    "file.append": arguments(text=TEXTS, makedirs=st.just(True)).map(
        lambda each: {"text": "new", "makedirs": True, **each}
    ),
    "file.prepend": arguments(text=TEXTS, header=BOOLEANS).map(
        lambda each: {"text": "new", "makedirs": True, **each}
    ),
    "file.replace": arguments(
        append_if_not_found=BOOLEANS, prepend_if_not_found=BOOLEANS, backup=st.just(False)
    ).map(lambda each: {"pattern": "^one$", "repl": "two", **each}),
    "file.comment": arguments().map(lambda each: {"regex": "^one", **each}),
    "file.uncomment": arguments().map(lambda each: {"regex": "one", **each}),
    "file.keyvalue": arguments(append_if_not_found=BOOLEANS, uncomment=st.just("#")).map(
        lambda each: {"key": "key", "value": "2", **each}
    ),
    "file.blockreplace": arguments(
        append_if_not_found=BOOLEANS, prepend_if_not_found=BOOLEANS, content=TEXTS
    ),
    "file.line": arguments().map(
        lambda each: {"mode": "ensure", "after": "one", "content": "in", **each}
    ),
    "file.serialize": arguments(merge_if_exists=BOOLEANS, makedirs=st.just(True)).map(
        lambda each: {"dataset": {"k": [1, "v"]}, "formatter": "json", **each}
    ),
    "file.recurse": arguments(clean=BOOLEANS, file_mode=MODES).map(
        lambda each: {"source": "salt://tree", **each}
    ),
    "file.copy": arguments(makedirs=st.just(True)).map(lambda each: {"source": "b", **each}),
    "file.rename": arguments().map(lambda each: {"source": "d/x", "makedirs": True, **each}),
    "file.tidied": arguments(rmdirs=BOOLEANS, matches=st.just(["x"])),
    "file.hardlink": arguments(force=BOOLEANS).map(
        lambda each: {"target": "b", "makedirs": True, **each}
    ),
    "file.decode": arguments().map(lambda each: {"encoded_data": "aGVsbG8=", **each}),
}

NOT_ANNOUNCED_AS_CHANGES = {"file.copy", "file.rename", "file.symlink"}
"""As in Salt, their test mode says by the result alone that they would change something."""


def filled(place: Path, given_: dict[str, Any]) -> dict[str, Any]:
    paths = ("name", "source", "target")
    return {
        key: str(place / value)
        if key in paths and isinstance(value, str) and not value.startswith("salt://")
        else value
        for key, value in given_.items()
    }


def furnish(place: Path) -> None:
    (place / "d").mkdir()
    (place / "a").write_text("one\nkey=1\n")
    (place / "b").write_text("two\n#one\n#key=3\n")
    (place / "d/x").write_text("one")
    (place / "d/y").write_text("")
    (place / "l").symlink_to("a")
    for each in place.rglob("*"):
        if not each.is_symlink():
            each.chmod(0o755 if each.is_dir() else 0o644)


def look(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for each in sorted(place.rglob("*")):
        name = str(each.relative_to(place))
        if name.startswith(".state"):
            continue
        if each.is_symlink():
            found[name] = os.readlink(each)
        else:
            content = each.read_bytes() if each.is_file() else None
            found[name] = (each.stat().st_mode & 0o7777, content)
    return found


def bench_at(place: Path) -> StateBench:
    tree = FakeTree(
        {"src": b"from the tree\n", "tree/x": b"one\n", "tree/sub/y": b"two\n", "tree/z": b""}
    )
    return StateBench(place, tree)


@pytest.mark.parametrize("function", sorted(STATES))
def test_what_is_announced_is_done_and_done_once(function: str) -> None:
    @settings(max_examples=30, deadline=None, suppress_health_check=list(HealthCheck))
    @given(given_=STATES[function])
    def law(given_: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as text:
            place = Path(text)
            furnish(place)
            bench = bench_at(place)
            chosen = filled(place, given_)
            before = look(place)

            announced = bench.call(function, is_test=True, **chosen)

            assert look(place) == before, "test mode has changed something"
            done = bench.call(function, **chosen)
            after = look(place)
            if done.result is False:
                return
            assert done.result is True
            assert bool(done.changes) == (after != before), f"{done} but {after}"
            assert announced.result is (None if done.changes else True), f"{announced}, {done}"
            if function not in NOT_ANNOUNCED_AS_CHANGES:
                assert bool(announced.changes) == bool(done.changes), f"{announced}, {done}"
            again = bench.call(function, **chosen)
            assert (again.result, dict(again.changes)) == (True, {}), f"{again} after {done}"
            assert look(place) == after

    law()
