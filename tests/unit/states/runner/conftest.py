import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.states.state_bench import StateBench


@pytest.fixture(autouse=True)
def umask() -> Iterator[None]:
    """Give new files their usual modes, whatever other tests have set."""
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.fixture
def bench(tmp_path: Path) -> StateBench:
    return StateBench(tmp_path)
