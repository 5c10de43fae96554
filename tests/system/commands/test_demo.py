"""The demo of `make demo`: it ends well, and tells what it has shown."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

DEMO = Path(__file__).parents[3] / "docs" / "examples" / "demo.py"


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_the_demo_ends_well_and_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, str(DEMO)],
        env={"PATH": "/usr/bin:/bin", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    told = done.stdout
    assert "nobody stranded, nothing lost, nothing run twice" in told
    assert "It ran 3 times: once on each of the 3 minions." in told
    # Three hosts that the second run leaves alone, and all three rolled out despite the kill.
    second = told.split("Once more")[1].split("The blog moves")[0]
    assert sorted(re.findall(r"Succeeded: (.*)", second)) == ["12", "26", "26"]
    assert "1 interrupted" in told
    assert "Done before by job" in told
    assert list(tmp_path.iterdir()) == []
