"""Two thousand fleets under faults: nobody is stranded, nothing is lost, nothing runs twice.

`pytest -s` prints how often each event met each state. A failure names its seeds: each replays
alone, with its trace, by `make simulate SEED=n`.
"""

import os

import pytest

from support.simulator.command import Batch, play_many
from support.simulator.pairs import impossible, missing
from support.simulator.story import Story, seeds

SEEDS = int(os.environ.get("LIMPET_SEEDS", "2000"))
FIRST = 0


@pytest.mark.alone
@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.covers("A1", "A2", "A3", "B1", "B2", "C1", "C2")
def test_no_seed_of_two_thousand_breaks_an_invariant_and_every_pair_is_met() -> None:
    batch = Batch()
    for part in play_many(seeds(FIRST, SEEDS)):
        batch.add(part)
    print(f"\n{batch.tables()}\n\n{batch.summary()}")
    assert not batch.failures, batch.told_failures()
    assert impossible(batch.coverage) == []
    if SEEDS >= 2000:
        assert missing(batch.coverage) == []


@pytest.mark.parametrize("number", range(6))
def test_a_seed_tells_the_same_story_each_time(number: int) -> None:
    (seed,) = seeds(7_000 + number, 1)
    first = Story(seed, traced=True).play()
    again = Story(seed, traced=True).play()
    assert first.trace
    assert first == again


def test_a_trace_can_be_read() -> None:
    (seed,) = seeds(7_001, 1)
    ending = Story(seed, traced=True).play()
    story = "\n".join(ending.trace)
    assert "web1      starts" in story
    assert "web1      READY" in story
    assert "master    <- Hello(" in story
    times = [float(line[:9]) for line in ending.trace]
    assert times == sorted(times)
