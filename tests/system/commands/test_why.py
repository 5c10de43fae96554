"""The example that `docs/why.md` tells of: three hangs with plain REQ/REP, three recoveries."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from conftest import Tell

EXAMPLE = Path(__file__).parents[3] / "docs" / "examples" / "stuck_reqrep.py"
RECOVERY_S_MAX = 17.0
"""The bound of a small fleet after the last fault, whatever it was."""


@pytest.mark.slow
@pytest.mark.covers("A1", "A19")
def test_plain_req_rep_hangs_three_times_and_limpet_never_does(tell: Tell) -> None:
    done = subprocess.run(
        [sys.executable, str(EXAMPLE), "--patience", "2"],
        capture_output=True,
        text=True,
        timeout=55,
        check=False,
    )

    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stderr == ""
    assert done.stdout.count("plain REQ/REP: hangs (still waiting after 2 s)") == 3
    recoveries = [float(found) for found in re.findall(r"answers ([\d.]+) s later", done.stdout)]
    tell(f"crash, invalid message, restart in the handshake: recovery {recoveries} s, stranded 0")
    assert len(recoveries) == 3
    assert max(recoveries) <= RECOVERY_S_MAX
