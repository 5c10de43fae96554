"""The state engine beside Salt's, both masterless, on the same trees in one run; prints JSON.

    python tests/benchmarks/states.py [--salt /path/to/salt-call]

Without `--salt` the figures are limpet's alone. Each figure is a whole process; `work` is what a
run says that its states took, and for limpet also the whole less the start of a call.
"""

import argparse
import json
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[1]))

from support.master.fleet import LIMPET

ROUNDS = 5


class Place:
    """A directory with one tree and a configuration for both programs."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.states = folder / "states"
        self.states.mkdir()
        self.salt = folder / "salt"
        self.salt.mkdir()
        roots = (
            f"file_roots:\n  base: ['{self.states}']\npillar_roots:\n  base: ['{folder}/none']\n"
        )
        (folder / "minion.yaml").write_text(f"id: bench\n{roots}")
        (self.salt / "minion").write_text(
            f"id: bench\nfile_client: local\nroot_dir: {self.salt}\n{roots}"
            "enable_fqdns_grains: false\nenable_gpu_grains: false\n"
        )

    def write_trees(self) -> None:
        """Write what is measured."""
        self._write("nops", "".join(f"nop-{number}:\n  test.nop: []\n" for number in range(1000)))
        (self.states / "nops200.sls").write_text(
            "".join(f"nop-{number}:\n  test.nop: []\n" for number in range(200))
        )
        out = self.folder / "out"
        out.mkdir()
        self._write(
            "files",
            "".join(
                f"{out}/{number}:\n  file.managed:\n"
                f"    - contents: text {number}\n    - mode: '0640'\n"
                for number in range(1000)
            ),
        )
        loop = (
            "{%% for n in range(3) %%}\nloop-%d-{{ n }}:\n  test.nop:\n    - name: {{ n }}-%d\n"
            "    - require: []\n{%% endfor %%}\n"
        )
        self._write("loops", "".join(loop % (part, part) for part in range(2000 // 6)))

    def _write(self, name: str, text: str) -> None:
        (self.states / f"{name}.sls").write_text(text)


def seconds(command: Sequence[str]) -> tuple[float, Any]:
    """Give the time of a whole process, and what it printed."""
    began = time.perf_counter()
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, check=False)
    took = time.perf_counter() - began
    try:
        return took, json.loads(done.stdout)["local"]
    except (ValueError, KeyError):
        return took, None


def work_s(answer: Any) -> float | None:  # noqa: ANN401
    """Add up what the states say that they took."""
    if not isinstance(answer, dict):
        return None
    return round(sum(float(each["duration"]) for each in answer.values()) / 1000, 4)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--salt", help="salt-call of an installed Salt")
    parser.add_argument("--rounds", type=int, default=ROUNDS)
    options = parser.parse_args()
    folder = Path(tempfile.mkdtemp(prefix="limpet-bench-"))
    try:
        place = Place(folder)
        place.write_trees()
        programs = {
            "limpet": [LIMPET, "--root", str(folder), "call", "--local", "--format", "json"]
        }
        if options.salt:
            programs["salt"] = [
                *(options.salt, "--local", "-c", str(place.salt), "--out", "json", "-l", "quiet")
            ]
        print(json.dumps(measured(programs, place.folder / "out", options.rounds), indent=2))
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def measured(programs: dict[str, list[str]], out: Path, rounds: int) -> dict[str, Any]:
    """Run everything in turns, so that what else the machine does falls on both alike."""
    figures: dict[str, Any] = {}
    for name, call in (
        ("test.ping", ["test.ping"]),
        ("200 test.nop", ["state.apply", "nops200"]),
        ("1,000 test.nop", ["state.apply", "nops"]),
        ("1,000 file.managed, first run", ["state.apply", "files"]),
        ("1,000 file.managed, in place", ["state.apply", "files"]),
        ("2,000 lines with loops, to low chunks", ["state.show_low_sls", "loops"]),
    ):
        samples: dict[str, list[float]] = {program: [] for program in programs}
        works: dict[str, float | None] = {}
        for _ in range(1 if "first" in name else rounds):
            for program, command in programs.items():
                if "first" in name:
                    shutil.rmtree(out)
                    out.mkdir()
                took, answer = seconds([*command, *call])
                samples[program].append(took)
                works[program] = work_s(answer)
        figures[name] = {
            program: {"whole_s": round(statistics.median(found), 3), "work_s": works[program]}
            for program, found in samples.items()
        }
        if "salt" in programs:
            whole = {each: statistics.median(found) for each, found in samples.items()}
            figures[name]["salt/limpet"] = round(whole["salt"] / whole["limpet"], 1)
    ping = figures["test.ping"]["limpet"]["whole_s"]
    for found in figures.values():
        found["limpet"]["less_start_s"] = round(found["limpet"]["whole_s"] - ping, 3)
    return figures


if __name__ == "__main__":
    main()
