"""Play many seeds, or replay one with its trace.

python -m support.simulator.command --seeds 2000
python -m support.simulator.command --seed 12345 --trace
python -m support.simulator.command --minutes 10
"""

import argparse
import os
import sys
import time
import traceback
from collections import Counter, deque
from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import count, islice

from support.simulator import variants
from support.simulator.coverage import Coverage, table
from support.simulator.pairs import reasons
from support.simulator.story import Kind, Story, seeds


@dataclass
class Batch:
    """What a number of seeds came to."""

    seeds: int = 0
    jobs: int = 0
    runs: int = 0
    steps: int = 0
    recoveries: list[float] = field(default_factory=list)
    failures: list[tuple[int, str]] = field(default_factory=list)
    kinds: Counter[str] = field(default_factory=Counter)
    coverage: Coverage = field(default_factory=Coverage)

    def add(self, other: "Batch") -> None:
        """Take another batch in."""
        self.seeds += other.seeds
        self.jobs += other.jobs
        self.runs += other.runs
        self.steps += other.steps
        self.recoveries += other.recoveries
        self.failures += other.failures
        self.kinds += other.kinds
        self.coverage.add(other.coverage)

    def tables(self) -> str:
        """Say which event met which state, how often."""
        return "\n\n".join(
            (
                f"what can't be met:\n{reasons()}",
                table(self.coverage.minion, "minion: state of the link"),
                table(self.coverage.presence, "master: presence"),
                table(self.coverage.delivery, "master: delivery"),
                table(self.coverage.arrows, "master: delivery goes to"),
            )
        )

    def told_failures(self, most: int = 10) -> str:
        """Name the seeds that broke something, and how to see it again."""
        lines = [
            f"BROKEN seed {seed}: {text}\n  replay: make simulate SEED={seed}"
            for seed, text in self.failures[:most]
        ]
        return "\n".join([f"{len(self.failures)} of {self.seeds} seeds are broken", *lines])

    def summary(self) -> str:
        """Say it in a line."""
        ordered = sorted(self.recoveries) or [0.0]
        kinds = ", ".join(f"{count} {kind}" for kind, count in sorted(self.kinds.items()))
        return (
            f"{self.seeds} seeds ({kinds}), {self.jobs} jobs, {self.runs} runs, "
            f"{self.steps} steps; "
            f"recovery after the last fault: median {ordered[len(ordered) // 2]:.2f} s, "
            f"99th {ordered[int(len(ordered) * 0.99)]:.2f} s, most {ordered[-1]:.2f} s; "
            f"{len(self.failures)} broken"
        )


def play(numbers: Iterable[int], kind: Kind | None = None) -> Batch:
    """Play some seeds in this process; failures are kept, not raised."""
    batch = Batch()
    for seed in numbers:
        story = Story(seed, coverage=batch.coverage, kind=kind)
        batch.kinds[story.kind.name] += 1
        batch.seeds += 1
        try:
            ending = story.play()
        except Exception as error:  # noqa: BLE001 - any error of a core is a finding, kept with its seed
            frame = traceback.extract_tb(error.__traceback__)[-1]
            place = f"{os.path.basename(frame.filename)}:{frame.lineno}"
            batch.failures.append((seed, f"{type(error).__name__} at {place}: {error}"))
            continue
        batch.jobs += ending.jobs
        batch.runs += ending.runs
        batch.steps += ending.steps
        batch.recoveries += ending.recoveries
    return batch


def play_many(numbers: Iterable[int], *, processes: int = 2, chunk: int = 25) -> Iterator[Batch]:
    """Play seeds on several processes; gives a batch for each chunk as it is done."""
    source = iter(numbers)
    under_way: deque[Future[Batch]] = deque()
    with ProcessPoolExecutor(processes) as pool:
        while True:
            while len(under_way) < 2 * processes and (part := list(islice(source, chunk))):
                under_way.append(pool.submit(play, part))
            if not under_way:
                return
            yield under_way.popleft().result()


SEEN_AS = ("Broken", "AssertionError")
"""Errors by which a checker, or a core's own claims, say that something is wrong."""


def hunt(name: str, first: int = 0) -> tuple[int, str]:
    """Play a broken variant until it is caught; gives how many seeds that took, and by what.

    The count is 0 if all the seeds within which it should be caught were played in vain, or if
    the variant ended in an error that says nothing of the machines.
    """
    broken = variants.ALL[name]
    with broken.in_force():
        for number, seed in enumerate(seeds(first, broken.within), 1):
            caught = play([seed], broken.kind).failures
            if caught and caught[0][1].startswith(SEEN_AS):
                return number, caught[0][1]
            if caught:
                return 0, f"the variant itself fails: {caught[0][1]}"
    return 0, ""


def replay(seed: int) -> int:
    """Play one seed and print its trace."""
    print(f"seed {seed}")
    story = Story(seed, traced=True)
    try:
        ending = story.play()
    except BaseException:
        print("\n".join(story.world.trace))
        raise
    print("\n".join(ending.trace))
    print(f"seed {seed}: all is well; faults: {', '.join(ending.faults) or 'none'}")
    return 0


def main() -> int:
    """Play; 1 if anything broke."""
    parser = argparse.ArgumentParser(description="Play many seeds, or replay one.")
    parser.add_argument("--seed", type=int)
    parser.add_argument("--trace", action="store_true", help="(with --seed; always on there)")
    parser.add_argument("--seeds", type=int, default=2000)
    parser.add_argument("--first", type=int, default=0)
    parser.add_argument("--minutes", type=float, default=0.0)
    options = parser.parse_args()
    if options.seed is not None:
        return replay(options.seed)
    total = Batch()
    began = time.monotonic()
    first = options.first or int(time.time()) if options.minutes else options.first
    numbers = iter(seeds(first, options.seeds)) if not options.minutes else endless(first)
    for batch in play_many(numbers):
        total.add(batch)
        if total.failures or (options.minutes and time.monotonic() - began > options.minutes * 60):
            break
    print(total.tables())
    print(f"{total.summary()}; {time.monotonic() - began:.0f} s")
    if total.failures:
        print(total.told_failures())
    return 1 if total.failures else 0


def endless(first: int) -> Iterator[int]:
    """Give seeds for ever."""
    for offset in count():
        yield seeds(first + offset, 1)[0]


if __name__ == "__main__":
    sys.exit(main())
