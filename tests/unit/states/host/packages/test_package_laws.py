"""Laws of the `pkg` states, over made-up worlds of packages.

Test mode changes nothing; it announces a change exactly where the run then makes one; and what has
been run once needs no second run.
"""

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from support.fakes.packages import FakePackages
from support.packaging.package_bench import PackageBench

NAMES = st.sampled_from(["a", "b", "c", "d"])
VERSIONS = st.sampled_from(["1.0-1", "1.2-1", "1.2.3-1", "1:0.5"])
SAID = st.sampled_from(
    [None, "1.0-1", "1.2*", ">=1.2", "<1.2", ">=1.0,<2", "latest", "!=1.0-1", "7"]
)
BOOLEANS = st.booleans()

WORLDS = st.builds(
    lambda repository, present, residual, held, depends: FakePackages(
        repository={name: sorted(found) for name, found in repository.items()},
        present=dict(present),
        residual={name: one for name, one in residual.items() if name not in present},
        wishes=dict.fromkeys([name for name in held if name in present], "hold"),
        depends={name: [other] for name, other in depends.items()
                 if other < name and other in repository},
    ),
    st.dictionaries(NAMES, st.sets(VERSIONS, min_size=1), min_size=1),
    st.dictionaries(NAMES, VERSIONS),
    st.dictionaries(NAMES, VERSIONS),
    st.lists(NAMES),
    st.dictionaries(NAMES, NAMES),
)  # fmt: skip
SOME = st.lists(NAMES, min_size=1, max_size=3, unique=True)

STATES: dict[str, st.SearchStrategy[dict[str, Any]]] = {
    "pkg.installed": st.one_of(
        st.fixed_dictionaries(
            {"name": NAMES},
            optional={
                "version": SAID,
                "hold": BOOLEANS,
                "only_upgrade": BOOLEANS,
                "allow_updates": BOOLEANS,
                "ignore_epoch": BOOLEANS,
                "refresh": BOOLEANS,
            },
        ),
        st.fixed_dictionaries({"pkgs": SOME}, optional={"hold": BOOLEANS}),
    ),
    "pkg.latest": st.fixed_dictionaries({"pkgs": SOME}, optional={"only_upgrade": BOOLEANS}),
    "pkg.removed": st.fixed_dictionaries(
        {"name": NAMES}, optional={"version": SAID.filter(lambda said: said != "latest")}
    ),
    "pkg.purged": st.fixed_dictionaries({"pkgs": SOME}),
    "pkg.held": st.fixed_dictionaries({"pkgs": SOME}, optional={"replace": BOOLEANS}),
    "pkg.unheld": st.fixed_dictionaries({"pkgs": SOME}, optional={"all": BOOLEANS}),
    "pkg.uptodate": st.one_of(st.just({}), st.fixed_dictionaries({"pkgs": SOME})),
    "pkg.downloaded": st.fixed_dictionaries({"name": NAMES}, optional={"version": SAID}),
}


def look(world: FakePackages) -> tuple[Any, ...]:
    held = sorted(name for name, wish in world.wishes.items() if wish == "hold")
    return copy.deepcopy((world.present, world.residual, held, world.cache))


@pytest.mark.parametrize("function", sorted(STATES))
def test_what_is_announced_is_done_and_done_once(function: str) -> None:
    @settings(max_examples=150, deadline=None)
    @given(world=WORLDS, given_=STATES[function])
    def law(world: FakePackages, given_: dict[str, Any]) -> None:
        bench = PackageBench(world)
        before = look(world)

        announced = bench.call(function, is_test=True, **given_)

        assert (look(world), world.refreshed) == (before, 0), "test mode has changed something"
        done = bench.call(function, **given_)
        after = look(world)
        if done.result is False:
            return
        assert done.result is True
        assert bool(done.changes) == (after != before), f"{done} but {before} → {after}"
        assert announced.result is (None if done.changes else True), f"{announced}, {done}"
        assert bool(announced.changes) == bool(done.changes), f"{announced}, {done}"
        again = bench.call(function, **given_)
        assert (again.result, dict(again.changes)) == (True, {}), f"{again} after {done}"
        assert look(world) == after

    law()
