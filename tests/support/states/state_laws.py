"""The laws of state functions: what is announced is done, done once, and by no test mode.

A function's `Inputs` say with which arguments, and in which world, it is held to them.
"""

import itertools
import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from limpet.states.outcome import Outcome
from support.states.state_bench import StateBench

Arguments = dict[str, Any]
HERE = "@/"
"""Begins every path of an argument that lies in the world's own folder."""


class World(Protocol):
    """Something that states change and that can be looked at."""

    def call(self, name: str, arguments: Mapping[str, Any], *, is_test: bool) -> Outcome:
        """Call a state function."""
        ...

    def look(self) -> Any:  # noqa: ANN401
        """Give all that a state may change, as something that can be compared and shown."""
        ...


@dataclass
class Sandbox:
    """A folder that is looked at as a whole, and whatever else `looks` gives."""

    bench: StateBench
    looks: Callable[[], Any] = tuple
    hidden: Sequence[str] = (".state",)
    """Names in the folder that are not looked at."""

    def call(self, name: str, arguments: Mapping[str, Any], *, is_test: bool) -> Outcome:
        placed: Arguments = at(arguments, f"{self.bench.place}/")
        return self.bench.call(name, is_test=is_test, **placed)

    def look(self) -> Any:  # noqa: ANN401
        found = look(self.bench.place, self.hidden)
        return found, self.looks()


@dataclass(frozen=True, kw_only=True)
class Inputs:
    """How one state function is held to the laws."""

    world: Callable[[Path], World]
    """Makes the world of one example, in an empty folder."""
    arguments: st.SearchStrategy[Arguments]
    changing: Arguments | None
    """With these a run changes something for certain; None: the function never changes anything."""
    examples: int = 20
    needs: str = ""
    """A program without which it can't be tried."""
    is_announced_in_changes: bool = True
    """False: as in Salt, test mode says by the result alone that something would change."""


def hold(name: str, inputs: Inputs, places: Callable[[], Path]) -> None:
    """Hold a function to the laws; `places` gives an empty folder each time."""
    if inputs.changing is not None:
        done = hold_once(name, inputs, inputs.changing, places())
        assert done.result is True, f"{name} {inputs.changing}: {done}"
        assert done.changes, f"{name} {inputs.changing} has changed nothing: {done}"

    @settings(
        max_examples=inputs.examples,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(arguments=inputs.arguments)
    def law(arguments: Arguments) -> None:
        done = hold_once(name, inputs, arguments, places())
        assert inputs.changing is not None or not done.changes, done

    law()


def hold_once(name: str, inputs: Inputs, arguments: Arguments, place: Path) -> Outcome:
    """Hold one call to the laws; gives what the run has done."""
    world = inputs.world(place)
    before = world.look()

    announced = world.call(name, arguments, is_test=True)

    assert world.look() == before, f"test mode has changed something: {announced}"
    done = world.call(name, arguments, is_test=False)
    after = world.look()
    assert done.result is not None, done
    if done.result is False:
        return done
    assert bool(done.changes) == (after != before), f"{done}\n{differing(before, after)}"
    assert announced.result is (None if done.changes else True), f"{announced}\n{done}"
    if inputs.is_announced_in_changes:
        assert bool(announced.changes) == bool(done.changes), f"{announced}\n{done}"
    again = world.call(name, arguments, is_test=False)
    assert (again.result, dict(again.changes)) == (True, {}), f"{again}\nafter {done}"
    assert world.look() == after, differing(after, world.look())
    return done


def differing(before: Any, after: Any) -> str:  # noqa: ANN401
    """Show what is not the same in two looks."""
    if isinstance(before, tuple) and isinstance(after, tuple) and len(before) == len(after):
        return "\n".join(differing(b, a) for b, a in zip(before, after, strict=True) if b != a)
    if isinstance(before, dict) and isinstance(after, dict):
        keys = [key for key in {**before, **after} if before.get(key) != after.get(key)]
        return "\n".join(f"{key}: {before.get(key)!r} -> {after.get(key)!r}" for key in keys)
    return f"{before!r} -> {after!r}"


def at(value: Any, place: str) -> Any:  # noqa: ANN401
    """Give a value whose paths lie in a folder."""
    if isinstance(value, str):
        return value.replace(HERE, place)
    if isinstance(value, list):
        return [at(each, place) for each in value]
    if isinstance(value, dict):
        return {at(key, place): at(each, place) for key, each in value.items()}
    return value


def look(place: Path, hidden: Sequence[str] = ()) -> dict[str, Any]:
    """Give all names below a folder with kind, mode, and content or target."""
    found: dict[str, Any] = {}
    for path in sorted(place.rglob("*")):
        name = str(path.relative_to(place))
        if any(name == each or name.startswith(f"{each}/") for each in hidden):
            continue
        facts = path.lstat()
        if path.is_symlink():
            found[name] = os.readlink(path)
        else:
            content = path.read_bytes() if path.is_file() else None
            found[name] = (oct(facts.st_mode), content)
    return found


def having(
    required: Mapping[str, st.SearchStrategy[Any]] | None = None,
    /,
    **optional: st.SearchStrategy[Any] | Sequence[Any],
) -> st.SearchStrategy[Arguments]:
    """Give mappings with all of `required` and some of `optional`, which may be lists of values."""
    chosen = {
        key: each if isinstance(each, st.SearchStrategy) else st.sampled_from(list(each))
        for key, each in optional.items()
    }
    return st.fixed_dictionaries(dict(required or {}), optional=chosen)


def among(*values: Any) -> st.SearchStrategy[Any]:  # noqa: ANN401
    """Give one of these values."""
    return st.sampled_from(values)


@dataclass
class Places:
    """Empty folders below one, numbered."""

    top: Path
    numbers: "itertools.count[int]" = field(default_factory=itertools.count)

    def __call__(self) -> Path:
        place = self.top / str(next(self.numbers))
        place.mkdir()
        return place
