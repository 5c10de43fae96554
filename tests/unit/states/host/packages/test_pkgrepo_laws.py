"""Laws of the `pkgrepo` states, over generated files of repositories.

Test mode changes nothing; it announces a change exactly where the run then makes one; and what has
been run once needs no second run.
"""

import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from limpet.states.functions.pkg import openpgp
from support.hosts.placed_packages import PlacedPackages
from support.packaging.package_bench import PackageBench

KEY = bytes([0xC6, 20]) + bytes(20)
LINES = st.builds(
    lambda mark, type_, options, uri, suite, components: " ".join(
        filter(None, [mark, type_, options, uri, suite, *components])
    ),
    st.sampled_from(["", "#"]),
    st.sampled_from(["deb", "deb-src"]),
    st.sampled_from(["", "[arch=amd64]", "[signed-by={place}/k.gpg]", "[trusted=yes arch=amd64]"]),
    st.sampled_from(["http://a.example.org", "http://a.example.org/", "http://b.example.org/x"]),
    st.sampled_from(["stable", "sid"]),
    st.lists(st.sampled_from(["main", "contrib", "extra"]), min_size=1, unique=True),
)
FILES = st.sampled_from(["sources.list", "sources.list.d/a.list", "sources.list.d/b.sources"])
WORLDS = st.dictionaries(FILES, st.lists(LINES, max_size=3), max_size=3)
NAMES = LINES.map(lambda line: line.removeprefix("# "))
BOOLEANS = st.booleans()
STATES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "pkgrepo.managed": st.fixed_dictionaries(
        {"name": NAMES},
        optional={
            "file": FILES.map(lambda name: "{place}/" + name),
            "comps": st.sampled_from(["main", "main,contrib"]),
            "dist": st.sampled_from(["stable", "sid"]),
            "disabled": BOOLEANS,
            "clean_file": BOOLEANS,
            "consolidate": BOOLEANS,
            "key_url": st.just("salt://key.asc"),
            "refresh": BOOLEANS,
            "architectures": st.sampled_from(["amd64", "amd64,arm64"]),
        },
    ),
    "pkgrepo.absent": st.fixed_dictionaries({"name": NAMES}),
}


def furnish(place: Path, world: dict[str, list[str]]) -> None:
    (place / "sources.list.d").mkdir()
    for name, lines in world.items():
        filled = [line.format(place=place) for line in lines]
        if name.endswith(".sources"):
            filled = [
                "Types: {}\nURIs: {}\nSuites: {}\nComponents: main\n".format(
                    *[word for word in line.removeprefix("# ").split() if word[0] not in "[a"][:3]
                )
                for line in filled
                if "arch=amd64]" not in line
            ]
        (place / name).write_text("".join(f"{each}\n" for each in filled))


def look(place: Path) -> dict[str, bytes]:
    """Give all files that are not empty: an empty one says as much as none."""
    found = {str(each): each.read_bytes() for each in sorted(place.rglob("*")) if each.is_file()}
    return {name: content for name, content in found.items() if content}


@pytest.mark.parametrize("function", sorted(STATES))
def test_what_is_announced_is_done_and_done_once(function: str) -> None:
    @settings(max_examples=150, deadline=None)
    @given(world=WORLDS, given_=STATES[function])
    def law(world: dict[str, list[str]], given_: dict[str, Any]) -> None:
        with tempfile.TemporaryDirectory() as text:
            place = Path(text)
            furnish(place, world)
            bench = PackageBench(PlacedPackages(place=place), place)
            bench.tree.files["key.asc"] = openpgp.armoured(KEY)
            chosen: dict[str, Any] = {
                key: value.format(place=place) if isinstance(value, str) else value
                for key, value in given_.items()
            }
            before = look(place)

            announced = bench.call(function, is_test=True, **chosen)

            assert (look(place), bench.packages.refreshed) == (before, 0)
            done = bench.call(function, **chosen)
            after = look(place)
            assert done.result is True, done
            assert bool(done.changes) == (after != before), f"{done}: {before} → {after}"
            assert announced.result is (None if done.changes else True), f"{announced}, {done}"
            assert dict(announced.changes) == dict(done.changes)
            again = bench.call(function, **chosen)
            assert (again.result, dict(again.changes)) == (True, {}), f"{again} after {done}"
            assert look(place) == after

    law()
