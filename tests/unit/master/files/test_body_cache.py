"""Bodies that wait to be pulled: bounded, forgotten in time, and looked after at no cost."""

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.master.files.body_cache import BodyCache


def at(seconds: float) -> Moment:
    return Moment(Instant(seconds), 1_700_000_000.0 + seconds)


def test_what_was_asked_for_longest_ago_is_due_first() -> None:
    cache = BodyCache(bytes_max=100, keep_s=60.0)
    assert cache.next_deadline == FOREVER
    cache.put(at(0), "a", "1", b"aa")
    cache.put(at(10), "b", "1", b"bb")
    assert cache.next_deadline == 60.0
    assert cache.get(at(20), "a", "1") == b"aa"
    assert cache.next_deadline == 70.0, "b is the first now"
    cache.put(at(30), "b", "1", b"bbb")
    assert cache.next_deadline == 80.0


def test_what_is_due_goes_and_nothing_else() -> None:
    cache = BodyCache(bytes_max=100, keep_s=60.0)
    for second in range(5):
        cache.put(at(second), "name", str(second), b"x")
    cache.forget(at(62))
    assert cache.held_bytes == 2
    assert cache.next_deadline == 63.0
    assert cache.get(at(62), "name", "2") is None
    cache.forget(at(100))
    assert (cache.held_bytes, cache.next_deadline) == (0, FOREVER)


def test_more_than_the_bound_pushes_the_oldest_out_and_one_alone_may_be_larger() -> None:
    cache = BodyCache(bytes_max=10, keep_s=60.0)
    cache.put(at(0), "a", "1", b"x" * 6)
    cache.put(at(1), "b", "1", b"x" * 6)
    assert cache.get(at(1), "a", "1") is None
    cache.put(at(2), "c", "1", b"x" * 20)
    assert cache.get(at(2), "b", "1") is None
    assert cache.held_bytes == 20
