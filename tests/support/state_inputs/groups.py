"""Inputs of `pkg.group_installed`, on packages in memory."""

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from limpet.states.outcome import Outcome
from support.fakes.packages import FakePackages
from support.packaging.package_bench import PackageBench
from support.states.state_laws import Inputs, World, among, having


@dataclass
class PackageWorld:
    """A machine whose packages are looked at."""

    bench: PackageBench

    def call(self, name: str, arguments: Mapping[str, Any], *, is_test: bool) -> Outcome:
        return self.bench.call(name, is_test=is_test, **arguments)

    def look(self) -> Any:  # noqa: ANN401
        return copy.deepcopy(self.bench.packages.present)


def world(place: Path) -> World:
    """Give two groups, one of them installed."""
    packages = FakePackages(
        repository={name: ["1.0"] for name in "abcd"},
        present={"a": "1.0", "b": "1.0"},
        members={"web": ["a", "c"], "base": ["a", "b"]},
    )
    return PackageWorld(PackageBench(packages, place))


SOME = st.lists(among("a", "c", "d"), max_size=2, unique=True)

INPUTS: dict[str, Inputs] = {
    "pkg.group_installed": Inputs(
        world=world,
        arguments=having({"name": among("web", "base", "none")}, skip=SOME, include=SOME),
        changing={"name": "web"},
    )
}
