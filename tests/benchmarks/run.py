"""All benchmarks, one subject after the other, as one JSON document: `make bench`.

    python tests/benchmarks/run.py --minions 1000 --rounds 3 --only logins,pings

Each subject is a file beside this one and runs alone as well; here they share keys that are
enrolled once. What is measured stands in docs/benchmarks.md. Nothing here gates a test: machines
are noisy, and what counts are ratios within one run.
"""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

sys.path.insert(0, str(Path(__file__).parents[1]))

from benchmarks import commands, few, files, idle, logins, pings, returns, slow, targeting
from benchmarks.measuring import (
    Figures,
    Options,
    Place,
    conditions,
    options_of,
    parser,
    prepare,
)

STORE_S_MAX: Final = 600.0


def store(_place: Place, options: Options) -> Figures:
    """Measure the store by itself, in a process of its own."""
    script = Path(__file__).with_name("store.py")
    words = ("--returns", str(options.returns), "--shapes", "1000")
    done = subprocess.run(
        [sys.executable, str(script), *words, "--rounds", str(options.rounds)],
        stdout=subprocess.PIPE,
        text=True,
        check=True,
        timeout=STORE_S_MAX,
    )
    return {"store": json.loads(done.stdout)}


SUBJECTS: Final[dict[str, Callable[[Place, Options], Figures]]] = {
    "logins": logins.measure,
    "pings": pings.measure,
    "returns": returns.measure,
    "files": files.measure,
    "slow": slow.measure,
    "idle": idle.measure,
    "few": few.measure,
    "commands": commands.measure,
    "targeting": targeting.measure,
    "store": store,
}


def main() -> None:
    """Measure and print."""
    options = parser(__doc__)
    options.add_argument("--only", default=",".join(SUBJECTS), metavar="A,B", help="[%(default)s]")
    found = options.parse_args()
    unknown = set(found.only.split(",")) - set(SUBJECTS)
    if unknown:
        options.error(f"there is no subject {', '.join(sorted(unknown))}")
    prepare()
    figures: Figures = {}
    try:
        with tempfile.TemporaryDirectory(prefix="limpet-bench-") as name:
            run(Path(name), options_of(found), found.only.split(","), figures)
    finally:  # what was measured before it failed, or was told to end, is worth having
        sys.stdout.write(json.dumps(figures, indent=2) + "\n")


def run(folder: Path, options: Options, names: list[str], figures: Figures) -> None:
    """Run these subjects, telling on stderr which, and add what each gives."""
    place = Place(folder)
    figures["conditions"] = conditions(folder)
    for name in names:
        sys.stderr.write(f"{name} …\n")
        began = time.monotonic()
        figures.update(SUBJECTS[name](place, options))
        sys.stderr.write(f"{name}: {time.monotonic() - began:.0f} s\n")


if __name__ == "__main__":
    main()
