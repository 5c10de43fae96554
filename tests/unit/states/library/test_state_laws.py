"""Laws that hold for every state function, over generated arguments in a world of their own.

Test mode changes nothing; it announces a change exactly where the run then makes one; and what has
been run once needs no second run.
"""

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.state_inputs import INPUTS
from support.state_laws import Places, hold


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
