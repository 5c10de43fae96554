"""Trees that are no trees, or ask for too much: an error that names the file, in time."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from support.hostile.bad_trees import BadTree, all_trees, lay

TESTS = Path(__file__).parents[2]
LIMIT_S = 1.0
OF_C = ("huge permutations", "huge product")
"""What these do lets no Python run: memory has to end them, however slow the machine is."""
OF_C_LIMIT_S = 10.0
WHOLE_S = 20.0
"""The limit, the grace after it, the start of Python: on a machine that does other things too."""
MEMORY_BYTES = 512 * 1024 * 1024


@pytest.mark.slow
@pytest.mark.parametrize("tree", list(all_trees()), ids=str)
def test_a_bad_tree_ends_in_an_error_that_names_it(tree: BadTree, tmp_path: Path) -> None:
    words = lay(tree, tmp_path, limit_s=OF_C_LIMIT_S if tree.name in OF_C else LIMIT_S)
    figures = tmp_path / "figures.json"
    command = [sys.executable, "-m", "limpet", "--root", str(tmp_path), "call", "--local", *words]
    ran = subprocess.run(
        [sys.executable, "-m", "support.measured", str(figures), *command],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=2 * WHOLE_S,
        check=False,
        cwd=TESTS,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )
    told = ran.stdout.replace(str(tmp_path), "ROOT")
    found = json.loads(figures.read_text())

    assert found["code"] == 1, told
    assert tree.named in told, told
    assert "Traceback" not in told, told
    assert found["took_s"] < WHOLE_S, told
    assert found["memory_bytes"] < MEMORY_BYTES, told


def test_there_are_enough_of_them() -> None:
    assert len(list(all_trees())) >= 60
    assert len({tree.name for tree in all_trees()}) >= 60
