"""When those come again who can't be served now: one after the other, at a pace that can be borne.

Silence would bring them back in a few seconds, all of them, each with another CURVE handshake. So
each is told a time of its own, behind those who were told before. A machine without a clock.
"""

from typing import Final

from limpet.common.clock import Instant, to_micros
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest

WITH_TOKEN_A_SECOND: Final = 200.0
"""A quarter of the handshakes that one core bears, for each of these takes another on the main
port."""
WITHOUT_TOKEN_A_SECOND: Final = 20.0
WAIT_S_MIN: Final = 2.0
WITH_TOKEN_S_MAX: Final = 60.0
"""Time for more than ten thousand."""
WITHOUT_TOKEN_S_MAX: Final = 240.0
"""With a minion's jitter of a quarter that is the longest pause that minions keep, 300 s."""
TEXT: Final = "the master is busy with others: it is asked again"


class RetryPacing:
    """Gives out turns."""

    def __init__(self, a_second: float, wait_s_max: float) -> None:
        assert a_second > 0
        assert wait_s_max >= WAIT_S_MIN
        self._gap_s = 1.0 / a_second
        self._wait_s_max = wait_s_max
        self._last = Instant(float("-inf"))

    def wait_s(self, now: Instant) -> float:
        """Give the next turn: in so many seconds.

        Behind the longest wait nobody queues: those who are told so share the last turns.
        """
        turn = max(self._last + self._gap_s, now + WAIT_S_MIN)
        self._last = Instant(min(turn, now + self._wait_s_max))
        return self._last - now


class Turns:
    """The turns of those with a token, and of those without, who don't hold them up."""

    def __init__(self) -> None:
        self._with_token = RetryPacing(WITH_TOKEN_A_SECOND, WITH_TOKEN_S_MAX)
        self._without_token = RetryPacing(WITHOUT_TOKEN_A_SECOND, WITHOUT_TOKEN_S_MAX)

    def put_off(self, request: EnrolRequest, now: Instant) -> EnrolAnswer:
        """Make the answer that tells a minion when to come again."""
        queue = self._with_token if request.token_id else self._without_token
        return EnrolAnswer(request.nonce, "pending", to_micros(queue.wait_s(now)), TEXT)
