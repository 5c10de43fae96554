"""Rounds of faults on five hosts, from the command line.

python tests/lab/rounds.py --seed 7 --rounds 30 --out /var/tmp/rounds

It needs root. The lab is brought up with this tree's packages. A run that was ended goes on
where it was, if seed and directory are the same.
"""

import argparse
import sys
import time
from collections import Counter
from pathlib import Path

from limpet_lab import Lab, LabError
from limpet_lab.fleet import Fleet
from limpet_lab.golden import golden_images
from limpet_lab.packages import packages
from support.rounds.faults import KINDS, plan, prepare
from support.rounds.running import Round, Rounds


def main(words: list[str] | None = None) -> int:
    """Run the rounds; gives 0 if there is no complaint."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seed", type=int, default=8)
    parser.add_argument("--rounds", type=int, default=30)
    parser.add_argument("--hosts", type=int, default=5)
    parser.add_argument("--out", type=Path, default=Path("/var/tmp/limpet-rounds"))
    parser.add_argument("--only", choices=KINDS, action="append", help="only rounds with these")
    parser.add_argument("--keep", action="store_true", help="leave the lab up")
    wanted = parser.parse_args(words)
    lab = Lab()
    try:
        done = run(lab, wanted.seed, wanted.rounds, wanted.hosts, wanted.out, wanted.only)
    except LabError as error:
        print(f"rounds: {error}", file=sys.stderr)
        return 1
    finally:
        if not wanted.keep:
            lab.down()
    return 1 if any(each.complaints for each in done) else 0


def run(
    lab: Lab, seed: int, rounds: int, hosts: int, out: Path, only: list[str] | None = None
) -> list[Round]:
    """Bring a lab up and run all rounds that `out` doesn't tell of, printing as they end."""
    began = time.monotonic()
    out.mkdir(mode=0o700, parents=True, exist_ok=True)
    built = packages()
    lab.up(hosts, golden_images(lab, built))
    fleet = Fleet(lab, built)
    fleet.set_up()
    planned = plan(seed, rounds, [host.name for host in lab.minions])
    prepare(fleet, planned)
    running = Rounds(fleet, planned, out / f"events-{seed}.jsonl", seed)
    done = running.done_before()
    print(
        f"seed {seed}, {rounds} rounds, limpet {fleet.packages.version}, {hosts} hosts; ready "
        f"after {time.monotonic() - began:.0f} s; {len(done)} rounds were done before",
        flush=True,
    )
    numbers = range(len(done) + 1, rounds + 1)
    for number in numbers:
        if only and not any(fault.kind in only for fault in planned[number - 1]):
            continue
        found = running.run(number)
        print(found.line(), flush=True)
        for complaint in found.complaints:
            print(f"       {complaint}", flush=True)
        done.append(found)
        if any(complaint.startswith("stranded") for complaint in found.complaints):
            print("       ended: a host is stranded", flush=True)
            break
    print(summary(done))
    return done


def summary(done: list[Round]) -> str:
    """Say what all rounds came to."""
    kinds = Counter(kind for each in done for kind in each.kinds)
    statuses: Counter[str] = Counter()
    for each in done:
        statuses.update(each.statuses)
    complaints = Counter(text.partition(":")[0] for each in done for text in each.complaints)
    recoveries = sorted(each.recovery_s for each in done) or [0.0]
    return (
        f"{len(done)} rounds; faults: {', '.join(f'{kind} {n}' for kind, n in kinds.items())}\n"
        f"{sum(each.jobs for each in done)} jobs, answers: "
        f"{', '.join(f'{name} {n}' for name, n in statuses.most_common())}\n"
        f"all answer after {recoveries[len(recoveries) // 2]:.1f} s (middle), "
        f"{recoveries[-1]:.1f} s (worst)\n"
        f"complaints: {', '.join(f'{name} {n}' for name, n in complaints.items()) or 'none'}"
    )
