"""What the link went through, counted from its changes."""

from collections import deque

from limpet.minion.observability.status_report import LinkCounters
from limpet.minion.sessions.states import CHANGES_KEPT, Change, State


class Link:
    """A link that goes from state to state, as its connection state writes them down."""

    def __init__(self) -> None:
        self.changes: deque[Change] = deque(maxlen=CHANGES_KEPT)
        self.counters = LinkCounters()

    def goes(self, *states: tuple[State, str]) -> LinkCounters:
        for state, reason in states:
            self.changes.append(Change(1.0, state, reason))
        self.counters.take(list(self.changes))
        return self.counters


def test_sessions_losses_and_failures_are_counted_once_each() -> None:
    link = Link()
    counters = link.goes(
        (State.RESOLVING, ""),
        (State.CONNECTING, ""),
        (State.BACKOFF, "refused"),
        (State.CONNECTING, ""),
        (State.READY, "session"),
        (State.LOST, "beats_silent"),
    )
    assert (counters.sessions, counters.losses, counters.failures) == (
        1,
        {"beats_silent": 1},
        {"refused": 1},
    )
    link.goes()  # a turn in which nothing happened
    link.goes((State.BACKOFF, "beats_silent"), (State.CONNECTING, ""), (State.DENIED, "cloned"))
    assert (counters.sessions, counters.denials) == (1, 1)
    assert counters.losses == {"beats_silent": 1}  # the pause after it is no failure
    assert counters.failures == {"refused": 1}


def test_more_changes_than_are_kept_are_counted_as_far_as_they_are() -> None:
    link = Link()
    for _ in range(3):
        link.goes(*[(State.BACKOFF, "refused")] * (CHANGES_KEPT // 2))
    assert link.counters.failures["refused"] == 3 * (CHANGES_KEPT // 2)
