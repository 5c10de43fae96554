"""Monitor events as bytes, and the link events that they mean."""

import struct

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.transport import monitor
from limpet.common.transport.events import LinkEvent
from limpet.common.transport.monitor import LinkStory, MonitorEvent, decode, failure

FAILURES = (
    monitor.HANDSHAKE_FAILED_NO_DETAIL,
    monitor.HANDSHAKE_FAILED_AUTH,
)


def told(*numbers: int) -> list[LinkEvent]:
    story = LinkStory()
    return [e for n in numbers if (e := story.on_event(MonitorEvent(n, 0))) is not None]


def test_an_event_is_two_numbers_in_six_bytes() -> None:
    assert decode(struct.pack("=HI", 0x20, 17)) == MonitorEvent(monitor.ACCEPTED, 17)


@given(st.binary(max_size=12))
def test_other_bytes_are_no_event(head: bytes) -> None:
    assert (decode(head) is None) is (len(head) != 6)


@pytest.mark.parametrize(
    "numbers, events",
    [
        ((monitor.CONNECTED, monitor.HANDSHAKE_SUCCEEDED), ["connected", "ready"]),
        ((monitor.CLOSED, monitor.CONNECT_RETRIED), ["refused"]),
        ((monitor.CONNECT_RETRIED,), ["refused"]),
        (
            (monitor.CONNECTED, monitor.HANDSHAKE_FAILED_AUTH, monitor.DISCONNECTED),
            ["connected", "denied"],
        ),
        (
            (monitor.CONNECTED, monitor.HANDSHAKE_FAILED_NO_DETAIL, monitor.DISCONNECTED),
            ["connected", "handshake_failed"],
        ),
        ((monitor.CONNECTED, monitor.CLOSED), ["connected", "handshake_failed"]),
        ((monitor.CONNECTED, monitor.DISCONNECTED), ["connected", "handshake_failed"]),
        (
            (monitor.CONNECTED, monitor.HANDSHAKE_SUCCEEDED, monitor.DISCONNECTED),
            ["connected", "ready", "disconnected"],
        ),
        (
            (monitor.CONNECTED, monitor.HANDSHAKE_SUCCEEDED, monitor.CONNECT_RETRIED),
            ["connected", "ready", "disconnected"],
        ),
    ],
)
def test_a_story_is_told_in_link_events(numbers: tuple[int, ...], events: list[LinkEvent]) -> None:
    assert told(*numbers) == events


@given(st.lists(st.sampled_from([1 << bit for bit in range(16)])))
def test_no_story_ends_twice(numbers: list[int]) -> None:
    ends = {"refused", "denied", "handshake_failed", "disconnected"}
    happened = told(*numbers)

    assert sum(event in ends for event in happened) <= 1
    assert not happened or happened[-1] in ends or ends.isdisjoint(happened)


def test_failures_have_a_kind_and_nothing_else_has() -> None:
    assert {n for bit in range(16) if failure(MonitorEvent(n := 1 << bit, 0))} == set(FAILURES)
    assert failure(MonitorEvent(monitor.HANDSHAKE_FAILED_AUTH, 400)) == "denied"


@pytest.mark.covers("B-11")
def test_nobody_asks_for_the_event_that_makes_libzmq_forget_an_error() -> None:
    assert not monitor.ROUTER_EVENTS & monitor.HANDSHAKE_FAILED_PROTOCOL
    assert not monitor.DEALER_EVENTS & monitor.HANDSHAKE_FAILED_PROTOCOL
