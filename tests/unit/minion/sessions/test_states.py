"""The rule that no state lasts for ever, and the length of pauses."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.minion.core.notes import Notes
from limpet.minion.core.outbox import Outbox
from limpet.minion.core.settings import JobLimits
from limpet.minion.sessions import backoff
from limpet.minion.sessions.connection_state import ConnectionState
from limpet.minion.sessions.reconnect_policy import ReconnectPolicy
from limpet.minion.sessions.states import Loss, State


@pytest.mark.parametrize("state", list(State))
@pytest.mark.parametrize("deadline", [FOREVER, Instant(math.nan)])
def test_no_state_is_entered_or_stayed_in_without_a_finite_deadline(
    state: State, deadline: Instant
) -> None:
    now = Moment(Instant(1.0), 1.0)
    connection = ConnectionState(now, Outbox())
    with pytest.raises(ValueError, match="without a deadline"):
        connection.enter_until(now, state, deadline, "")
    assert (connection.state, connection.deadline) == (State.BACKOFF, 1.0)

    connection.enter(now, state, 2.0, "")
    with pytest.raises(ValueError, match="without a deadline"):
        connection.renew(deadline)
    assert (connection.state, connection.deadline) == (state, 3.0)


@given(st.integers(), st.integers(1, 10_000), st.integers(1, 100_000))
def test_a_pause_after_failures_is_never_longer_than_the_cap_of_the_fleet(
    seed: int, failures: int, fleet: int
) -> None:
    cap = backoff.cap_s(fleet)

    assert 2 <= cap <= 60
    assert 0 <= backoff.backoff_s(random.Random(seed), failures, cap) <= cap


@pytest.mark.covers("E3")
def test_pauses_of_many_minions_are_spread_over_the_whole_range() -> None:
    pauses = [backoff.backoff_s(random.Random(n), 6, 2.0) for n in range(1000)]

    for part in range(10):
        inside = [pause for pause in pauses if part / 5 <= pause < (part + 1) / 5]
        assert 50 < len(inside) < 150


@pytest.mark.covers("E2")
def test_a_large_fleet_comes_back_at_three_hundred_a_second() -> None:
    pauses = [backoff.reconnect_s(random.Random(n), 3000) for n in range(3000)]

    assert max(pauses) <= 10
    first_second = sum(pause < 1 for pause in pauses)
    assert 200 < first_second < 400


@pytest.mark.covers("A5")
def test_a_wrong_server_key_is_tried_at_most_four_times_a_minute_after_a_minute() -> None:
    notes = Notes({}, JobLimits(), Outbox())
    reconnect = ReconnectPolicy(notes, random.Random(1))
    at, pauses = 1000.0, []
    for _ in range(300):
        pause = reconnect.pause_after_failure_s(
            Instant(at), Loss.HANDSHAKE_FAILED, is_tcp_connected=True
        )
        pauses.append(pause)
        at += pause

    late = pauses[200:]
    assert max(pauses) <= 17.25, "and the right key is found again within the bound"
    assert sum(late) / len(late) > 14.5


def test_a_handshake_that_is_ended_while_a_master_restarts_does_not_lengthen_the_pause() -> None:
    assert backoff.handshake_cap_s(10, Loss.HANDSHAKE_FAILED, in_a_row=5) == 2


def test_a_silent_handshake_doubles_the_cap_as_far_as_the_fleet_wants_it() -> None:
    def caps(fleet: int) -> list[float]:
        return [
            backoff.handshake_cap_s(fleet, Loss.HANDSHAKE_SILENT, number) for number in range(1, 9)
        ]

    assert caps(10) == [4, 8, 8, 8, 8, 8, 8, 8]
    assert caps(9000)[:3] == [60, 120, 120]


@given(st.integers(), st.integers(1, 100_000), st.floats(0, 1e9))
def test_asking_for_acceptance_again_is_never_at_once_and_never_in_the_far_future(
    seed: int, fleet: int, hint_s: float
) -> None:
    pause = backoff.poll_s(random.Random(seed), fleet, hint_s)

    assert 0.75 <= pause <= 375


def test_the_usual_poll_is_fifteen_seconds_and_a_quarter_more_or_less() -> None:
    pauses = [backoff.poll_s(random.Random(n), 10, 0.0) for n in range(1000)]

    assert 11.25 <= min(pauses) < 12
    assert 18 < max(pauses) <= 18.75
