import pytest

from limpet.common.clock import Instant, to_seconds
from limpet.common.messages.enrolment import EnrolRequest
from limpet.master.enrolment import retry_pacing
from limpet.master.enrolment.retry_pacing import RetryPacing, Turns

NOW = Instant(1000.0)


def _request(token_id: str) -> EnrolRequest:
    return EnrolRequest(1, 1, "", "web1", bytes(range(16)), 0, token_id, b"")


def test_each_is_told_a_turn_of_its_own() -> None:
    queue = RetryPacing(100.0, 60.0)
    waits = [queue.wait_s(NOW) for _ in range(1000)]
    assert waits[0] == retry_pacing.WAIT_S_MIN
    assert waits == sorted(waits)
    assert waits[-1] == pytest.approx(retry_pacing.WAIT_S_MIN + 9.99)
    # They come at the pace that was given out, whenever they asked.
    assert queue.wait_s(Instant(NOW + 5.0)) == pytest.approx(retry_pacing.WAIT_S_MIN + 5.0)
    assert queue.wait_s(Instant(NOW + 60.0)) == retry_pacing.WAIT_S_MIN


def test_nobody_waits_longer_than_minions_are_willing_to() -> None:
    queue = RetryPacing(10.0, 60.0)
    waits = [queue.wait_s(NOW) for _ in range(5000)]
    assert max(waits) == 60.0
    assert queue.wait_s(Instant(NOW + 30.0)) == pytest.approx(30.1)


def test_those_without_a_token_hold_up_nobody_who_has_one() -> None:
    turns = Turns()
    waits = [to_seconds(turns.put_off(_request(""), NOW).retry) for _ in range(5000)]
    assert max(waits) == retry_pacing.WITHOUT_TOKEN_S_MAX
    answer = turns.put_off(_request("abcdefghij"), NOW)
    assert answer.status == "pending"
    assert answer.nonce == bytes(range(16))
    assert to_seconds(answer.retry) == retry_pacing.WAIT_S_MIN


def test_ten_thousand_with_a_token_have_their_turn_within_a_minute() -> None:
    turns = Turns()
    waits = [to_seconds(turns.put_off(_request("abcdefghij"), NOW).retry) for _ in range(10_000)]
    for second in range(60):
        assert (
            sum(second <= wait < second + 1 for wait in waits)
            <= retry_pacing.WITH_TOKEN_A_SECOND + 1
        )
