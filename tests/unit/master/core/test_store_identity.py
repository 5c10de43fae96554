"""The numbers that minions are told for commits: sealed, growing, and of one epoch each."""

import random

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import Commit
from limpet.master.core.step import Step
from limpet.master.core.store_identity import SEAL_BITS, StoreIdentity

NOW = Moment(Instant(1.0), 1_700_000_000.0)


def step() -> Step:
    return Step(NOW, Commit(7), Commit(6), {})


def identity(secret: str = "a" * 32) -> StoreIdentity:
    return StoreIdentity("s" * 32, secret, random.Random(1), lambda _turn: None)


def test_the_same_commit_is_always_told_by_the_same_number_and_a_later_one_by_a_higher() -> None:
    first, again = identity(), identity()
    for commit in (5, 5, 6, 5, 7, 6):
        assert first.told(commit) == again.told(commit)
        assert first.told(commit) >> SEAL_BITS == commit
    assert first.told(5) < first.told(6) < first.told(7)
    assert identity("b" * 32).told(5) != first.told(5)


def test_a_new_epoch_tells_the_same_commit_by_another_number() -> None:
    store = identity()
    before = store.told(5)
    store.start(step(), is_restored=True)
    assert store.told(5) != before
    assert store.told(5) == store.told(5)
