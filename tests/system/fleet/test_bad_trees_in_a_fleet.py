"""Bad trees on a real minion: the job ends with the place, and the next jobs are served."""

import time
from pathlib import Path

import pytest

from support.master.fleet import Fleet

WITHIN_S = 40.0
"""The limits are 6 s and 1.5 s more; the rest is for a machine that does other things too."""

BAD = {
    "loop": (
        "\n{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}\n",
        "base:loop' failed: rendering did not end within 6 s; line 2",
    ),
    "memory": (
        "{% set n = 10 ** 10 %}\n{{ 'a' * n }}\n",
        "base:memory' failed: rendering needs more than 400 MiB of memory; line 2",
    ),
    "stubborn": (
        "#!py\ndef run():\n    while True:\n        try:\n            while True: pass\n"
        "        finally:\n            continue\n",
        "stubborn",
    ),
    "stuck": ("{% set r = range(9999)|list %}\n{{ r|product(r, r)|max }}\n", "stuck.sls"),
    "leaves": ("#!py\nimport os\ndef run():\n    os._exit(3)\n", "leaves.sls"),
    "forks": (
        "#!py\nimport os\ndef run():\n    os.fork()\n    return {'x': {'test.nop': []}}\n",
        "test_|-x_|-x_|-nop",
    ),
}
"""SLS, and what the answer has to name."""


@pytest.mark.slow
@pytest.mark.timeout(300)
def test_a_minion_outlives_bad_trees_and_serves_the_next_job(tmp_path: Path) -> None:
    states = tmp_path / "trees"
    states.mkdir()
    for name, (text, _) in BAD.items():
        (states / f"{name}.sls").write_text(text)
    (states / "good.sls").write_text("fine:\n  test.nop: []\n")
    (states / "top.sls").write_text("base: {'*': [good]}\n")
    roots = f"file_client: local\nfile_roots: {{base: [{states}]}}\n"
    with Fleet(tmp_path) as fleet:
        fleet.start_master()
        fleet.add_minion("web1", extra=roots)
        fleet.wait_ready(1)
        for name, (_, named) in BAD.items():
            began = time.monotonic()
            with fleet.following("run", "--format", "json", "web1", "state.apply", name) as job:
                while job.poll() is None:
                    code, minions = fleet.run_json("web1", "test.ping")
                    assert (code, minions["web1"]["return"]) == (0, True), f"during {name}"
                    assert time.monotonic() - began < WITHIN_S, name
                    time.sleep(0.5)
                assert job.stdout is not None
                told = job.stdout.read()
            assert job.returncode == (0 if name == "forks" else 1), told
            assert named in told, told
            code, minions = fleet.run_json("web1", "state.apply", "good")
            assert code == 0, f"after {name}: {minions}"
        assert fleet.states() == {"web1": "ready"}
