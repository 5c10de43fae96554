from pathlib import Path

import pytest

from support.state_bench import StateBench


@pytest.fixture
def bench(tmp_path: Path) -> StateBench:
    return StateBench(tmp_path)
