"""The master's clock as seen from the minion."""

from hypothesis import given
from hypothesis import strategies as st

from limpet.common.clock import Instant
from limpet.minion.sessions.master_clock import MasterClock

SECONDS = st.floats(0, 10)


@given(
    st.floats(-1e6, 1e6),
    st.lists(st.tuples(SECONDS, SECONDS, SECONDS), min_size=1, max_size=30),
)
def test_the_estimate_is_off_by_no_more_than_half_the_narrowest_round_trip(
    offset: float, trips: list[tuple[float, float, float]]
) -> None:
    clock = MasterClock()
    now = 0.0
    for pause, there, back in trips:
        asked = now + pause
        now = asked + there + back
        clock.on_answer(Instant(asked), Instant(now), asked + there + offset)
    narrowest = min(there + back for _, there, back in trips[-12:])
    assert abs(clock.now_s(Instant(now)) - (now + offset)) <= narrowest / 2 + 1e-6
    assert clock.uncertainty_s <= narrowest / 2 + 1e-6


def test_another_session_begins_anew() -> None:
    clock = MasterClock()
    clock.on_answer(Instant(0.0), Instant(0.0), 500.0)
    clock.restart()
    assert not clock.is_known
    clock.on_answer(Instant(10.0), Instant(12.0), 0.0)
    assert clock.now_s(Instant(12.0)) == 1.0
    assert clock.seconds_until(4.0, Instant(12.0)) == 3.0
