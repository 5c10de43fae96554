"""Rounds of faults on hosts, for people: `python tests/lab/rounds.py --help`."""

import sys
from pathlib import Path

TREE = Path(__file__).parents[2]
sys.path[:0] = [str(TREE / "tests"), str(TREE / "packaging/lab")]

from support.rounds.command import main  # noqa: E402

if __name__ == "__main__":
    sys.exit(main())
