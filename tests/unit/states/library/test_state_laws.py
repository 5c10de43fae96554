"""Laws that hold for every state function, over generated arguments in a world of their own.

Test mode changes nothing; it announces a change exactly where the run then makes one; and what has
been run once needs no second run.
"""

import os
import shutil
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from hypothesis import strategies as st

from limpet.states.outcome import Outcome
from support.state_inputs import INPUTS
from support.states.state_laws import Inputs, Places, hold


@pytest.fixture(autouse=True)
def environment() -> Iterator[None]:
    """Put the variables of this process back: worlds and states set some."""
    saved = dict(os.environ)
    yield
    os.environ.clear()
    os.environ.update(saved)


@pytest.mark.parametrize("name", sorted(INPUTS))
def test_what_is_announced_is_done_and_done_once(name: str, tmp_path: Path) -> None:
    inputs = INPUTS[name]
    if inputs.needs and shutil.which(inputs.needs) is None:
        pytest.skip(f"this machine has no {inputs.needs}")
    hold(name, inputs, Places(tmp_path))


@dataclass
class Misbehaving:
    """A world with one number and a state that sets it to 1, in an honest or another way."""

    way: str
    number: int = 0

    def call(self, name: str, arguments: Mapping[str, Any], *, is_test: bool) -> Outcome:
        is_done = self.number == 1 and self.way != "does it again"
        if is_test:
            self.number += self.way == "changes in test mode"
            is_silent = is_done or self.way == "announces nothing"
            return Outcome(True) if is_silent else Outcome(None, changes={"number": 1})
        if is_done:
            return Outcome(True)
        self.number = 0 if self.way == "changes nothing" else 1
        return Outcome(True, changes={} if self.way == "tells nothing" else {"number": 1})

    def look(self) -> Any:  # noqa: ANN401
        return self.number


@pytest.mark.parametrize(
    "way",
    ["changes in test mode", "announces nothing", "changes nothing", "tells nothing",
     "does it again"],
)  # fmt: skip
def test_a_state_that_breaks_a_law_is_found(way: str, tmp_path: Path) -> None:
    arguments: st.SearchStrategy[dict[str, Any]] = st.just({})

    def inputs(way: str) -> Inputs:
        return Inputs(world=lambda _: Misbehaving(way), arguments=arguments, changing={})

    places = Places(tmp_path)
    hold("honest", inputs("honest"), places)
    with pytest.raises(AssertionError):
        hold("not honest", inputs(way), places)
