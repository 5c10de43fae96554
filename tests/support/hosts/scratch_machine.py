"""A scratch machine: states run for real, as root, on a copy of /etc that nobody else sees.

The test's process starts this module in mount and network namespaces of its own; there a copy of
/etc stands in the place of the real one, and each step is called like a chunk of a run. What
happens to other directories is real: steps keep to the test's own.
"""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

ETC = ("passwd", "group", "shadow", "gshadow", "hosts", "fstab", "sysctl.conf")
"""What a step may change there and a law compares."""


def needs_scratch_machine() -> pytest.MarkDecorator:
    """Skip where there can be none: not root, or no mount namespaces."""
    found = subprocess.run(["unshare", "-mn", "true"], capture_output=True, check=False)
    return pytest.mark.skipif(
        found.returncode != 0, reason="needs root and namespaces of its own (unshare -mn)"
    )


def run_steps(place: Path, steps: Sequence[dict[str, Any]]) -> list[Any]:
    """Run steps `{"call": name, "with": arguments}`; give their answers.

    With `"test": True` a state is called in test mode. `"law": True` calls it in test mode, then
    for real, then again, and gives `[announced, done, again, touched]`: `touched` names the files
    of /etc that test mode has changed.
    """
    (place / "steps.json").write_text(json.dumps(list(steps)))
    etc = place / "etc"
    if not etc.exists():
        shutil.copytree("/etc", etc, symlinks=True, ignore_dangling_symlinks=True)
    script = (
        'mount --bind "$1/etc" /etc && ip link set lo up; '
        'exec "$2" -m support.hosts.scratch_machine "$1"'
    )
    found = subprocess.run(
        ["unshare", "-mn", "--propagation", "private", "sh", "-c", script, "sh", str(place),
         sys.executable],
        capture_output=True,
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[2])},
        timeout=120,
        check=False,
    )  # fmt: skip
    assert found.returncode == 0, found.stderr.decode()
    answers: list[Any] = json.loads(found.stdout)
    return answers


def _main(place: Path) -> None:
    steps = json.loads((place / "steps.json").read_text())
    print(json.dumps([_answer(place, step) for step in steps], default=str))


def _answer(place: Path, step: dict[str, Any]) -> Any:  # noqa: ANN401
    from limpet.common.errors import LimpetError
    from limpet.states.functions import registry as functions
    from limpet.states.library import registry as states
    from support.states.state_bench import StateBench

    bench = StateBench(place)
    name, arguments = step["call"], step.get("with", {})

    def state(is_test: bool) -> dict[str, Any]:
        try:
            return bench.call(name, is_test=is_test, **arguments).data(arguments["name"])
        except LimpetError as error:
            return {"result": False, "changes": {}, "comment": str(error)}

    if states.find(name) is None or step.get("function"):
        positional = arguments if isinstance(arguments, list) else []
        keyword = {} if positional else dict(arguments)
        return functions.call(name, positional, keyword, bench.context().functions)
    if not step.get("law"):
        return state(bool(step.get("test")))
    before = _look()
    announced = state(True)
    after = _look()
    touched = [each for each in before if before[each] != after[each]]
    return [announced, state(False), state(False), touched]


def _look() -> dict[str, bytes]:
    paths = [f"/etc/{each}" for each in ETC]
    return {each: Path(each).read_bytes() for each in paths if os.path.exists(each)}


if __name__ == "__main__":
    _main(Path(sys.argv[1]))
