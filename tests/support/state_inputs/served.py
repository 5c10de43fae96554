"""Inputs of the `file` states that keep the minion's cache of what its master serves."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limpet.states.context import Places
from limpet.states.host.machine import ThisMachine
from limpet.states.library import registry
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome
from limpet.states.runner.applying import Applying, tree_of
from support.fakes.host import make_context
from support.fakes.sources import FakeSources
from support.states.state_laws import Arguments, Inputs, World, among, having, look

HELLO = b"hello\n"
DIGEST = hashlib.sha256(HELLO).hexdigest()
OTHER = hashlib.sha256(b"other").hexdigest()


@dataclass
class ServedWorld:
    """A minion with a master's tree; each call is a job of its own."""

    place: Path

    def call(self, name: str, arguments: Mapping[str, Any], *, is_test: bool) -> Outcome:
        sources = FakeSources({"base": {"hello": HELLO, "more/hello": HELLO}})
        functions = make_context(grains={"id": "web1"}, sources=sources)
        functions.host = ThisMachine()
        functions.is_published = False
        functions.places = Places(self.place / "c", self.place / "g", self.place / "state")
        tree = tree_of(functions, lambda: Applying(functions).compilation.renderers)
        function = registry.find(name)
        assert function is not None
        context = StateContext(functions=functions, tree=tree, is_test=is_test)
        return registry.call(function, context, arguments)

    def look(self) -> Any:  # noqa: ANN401
        return look(self.place / "state/cache/files")


def empty(place: Path) -> World:
    """Give a minion that has cached nothing."""
    return ServedWorld(place)


def filled(place: Path) -> World:
    """Give a minion that has cached one file."""
    world = ServedWorld(place)
    done = world.call("file.cached", {"name": "salt://hello"}, is_test=False)
    assert done.result is True, done
    return world


NAMES = among("salt://hello", "salt://more/hello", "salt://gone")
HELLO_CACHED: Arguments = {"name": "salt://hello", "source_hash": DIGEST}

INPUTS: dict[str, Inputs] = {
    # Without a checksum test mode can't tell that the cached file is the right one, as in Salt.
    "file.cached": Inputs(
        world=empty,
        arguments=having({"name": NAMES, "source_hash": among(DIGEST, f"sha256={DIGEST}", OTHER)}),
        changing=HELLO_CACHED,
        is_announced_in_changes=False,
        examples=10,
    ),
    "file.not_cached": Inputs(
        world=filled, arguments=having({"name": NAMES}), changing={"name": "salt://hello"},
        examples=10,
    ),
}  # fmt: skip
