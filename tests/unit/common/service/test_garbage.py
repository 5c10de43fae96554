"""Looking for rings of objects: seldom, but it happens."""

import gc
import weakref
from collections.abc import Iterator

import pytest

from limpet.common.service import garbage


class Ring:
    def __init__(self) -> None:
        self.own = self


@pytest.fixture(autouse=True)
def as_before() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.set_threshold(*thresholds)
    gc.unfreeze()


def test_what_is_there_is_not_looked_at_again() -> None:
    garbage.settle()

    assert gc.get_freeze_count() > 1_000


def test_a_ring_made_later_is_found() -> None:
    garbage.settle()
    ring = weakref.ref(Ring())
    assert ring() is not None

    kept: list[list[int]] = [[] for _ in range(2 * garbage.YOUNG)]

    assert ring() is None
    assert len(kept) == 2 * garbage.YOUNG
