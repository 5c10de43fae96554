"""Whose connection it is, when descriptors come back and frames come late."""

import pytest

from limpet.common.identifiers import MinionKey
from limpet.common.transport import monitor
from limpet.common.transport.connections import Connections
from limpet.common.transport.errors import BadArrival
from limpet.common.transport.events import Disconnected, HandshakeFailed
from limpet.common.transport.monitor import MonitorEvent

KEY = MinionKey("a" * 64)
OTHER = MinionKey("b" * 64)
FIRST = 1000
NAME = ("192.0.2.1", 40000)


def peer(number: int) -> bytes:
    """Name the nth connection after the first as the socket under it does."""
    return b"\0" + ((FIRST + number) % 2**32).to_bytes(4, "big")


def tracked(*fds: int, first: int = FIRST) -> Connections:
    """Make a table of connections whose handshakes are done."""
    connections = Connections(b"\0" + first.to_bytes(4, "big"), handshake_s=3)
    for fd in fds:
        connections.on_accepted(fd, NAME, 0)
        connections.on_event(MonitorEvent(monitor.HANDSHAKE_SUCCEEDED, 0), 0)
    return connections


def arrive(
    connections: Connections,
    name: bytes,
    fd: int,
    *,
    key: str = KEY,
    frame: bytes = b"frame",
    is_whole: bool = True,
) -> str:
    """Let a frame arrive; gives '' or the reason why it is bad."""
    try:
        arrival = connections.arrival(
            name, frame, fd=fd, user_id=key, address="192.0.2.1", is_whole=is_whole
        )
    except BadArrival as error:
        return error.reason
    assert (arrival.peer, arrival.fd, arrival.key, arrival.frame) == (name, fd, key, frame)
    return ""


def test_a_frame_tells_whose_its_connection_is() -> None:
    connections = tracked(7)

    assert arrive(connections, peer(1), 7) == ""

    found = connections.of_peer(peer(1))
    assert found is not None
    assert (found.fd, found.key, found.address) == (7, KEY, "192.0.2.1")
    assert connections.peers() == [peer(1)]


@pytest.mark.covers("B-1", "B-2")
@pytest.mark.parametrize("key", ["", "root", "A" * 64, "a" * 63, "a" * 65, "a" * 64 + "\n"])
def test_a_frame_whose_key_is_not_the_form_of_our_own_is_nobodys(key: str) -> None:
    assert arrive(tracked(7), peer(1), 7, key=key) == "no_user_id"


@pytest.mark.covers("B-5", "B-6")
def test_a_message_of_several_parts_or_none_is_bad_and_says_whose_it_is() -> None:
    connections = tracked(7)

    assert arrive(connections, peer(1), 7, is_whole=False) == "parts"
    assert arrive(connections, peer(1), 7, frame=b"") == "empty"
    with pytest.raises(BadArrival) as caught:
        connections.arrival(peer(1), b"", fd=7, user_id=KEY, address="", is_whole=True)
    assert (caught.value.fd, caught.value.peer, caught.value.key) == (7, peer(1), KEY)


@pytest.mark.covers("B-13")
@pytest.mark.parametrize(
    "chosen",
    [b"", b"\0", b"web1", b"x" * 255, b"\0\0\0\0", b"\1\0\0\x03\xe9", b"a\nb", peer(1) + b"\0"],
    ids=repr,
)
def test_a_name_that_the_socket_would_not_give_is_refused(chosen: bytes) -> None:
    assert arrive(tracked(7), chosen, 7) == "routing_id_set"


@pytest.mark.covers("B-13", "B-13a")
@pytest.mark.parametrize("number", [0, -1, 3, 4, 100_000, 2**31])
def test_a_name_that_the_socket_has_not_given_yet_is_refused(number: int) -> None:
    assert arrive(tracked(7, 8), peer(number), 7) == "routing_id_set"


def test_names_go_on_past_the_end_of_their_numbers() -> None:
    connections = tracked(7, 8, first=2**32 - 2)
    assert arrive(connections, b"\0\xff\xff\xff\xff", 7) == ""
    assert arrive(connections, b"\0\0\0\0\0", 8) == ""
    assert arrive(connections, b"\0\0\0\0\1", 8) == "routing_id_set"


@pytest.mark.covers("B-13", "H1")
def test_one_name_on_two_connections_is_refused_on_the_second() -> None:
    connections = tracked(7, 8)
    assert arrive(connections, peer(1), 7) == ""

    assert arrive(connections, peer(1), 8, key=OTHER) == "routing_id_set"

    assert arrive(connections, peer(1), 7) == ""
    found = connections.of_peer(peer(1))
    assert found is not None
    assert found.key == KEY


@pytest.mark.covers("B-13")
def test_a_connection_never_changes_its_key() -> None:
    connections = tracked(7)
    assert arrive(connections, peer(1), 7) == ""

    assert arrive(connections, peer(1), 7, key=OTHER) == "routing_id_set"

    found = connections.of_peer(peer(1))
    assert found is not None
    assert found.key == KEY


def test_a_connection_that_ended_is_forgotten_and_its_end_says_whose_it_was() -> None:
    connections = tracked(7)
    assert arrive(connections, peer(1), 7) == ""

    told = connections.on_event(MonitorEvent(monitor.DISCONNECTED, 7), 1)

    assert told == [Disconnected(7, "192.0.2.1", peer(1), KEY)]
    assert connections.of_peer(peer(1)) is None
    assert connections.peers() == []
    assert len(connections) == 0


def test_frames_that_are_read_after_the_end_of_their_connection_are_good() -> None:
    connections = tracked(7)
    connections.on_event(MonitorEvent(monitor.DISCONNECTED, 7), 1)

    assert arrive(connections, peer(1), 7) == ""
    assert connections.of_peer(peer(1)) is None


def test_a_late_frame_does_not_take_the_descriptor_from_its_new_owner() -> None:
    connections = tracked(7)
    connections.on_event(MonitorEvent(monitor.DISCONNECTED, 7), 1)
    connections.on_accepted(7, NAME, 2)
    connections.on_event(MonitorEvent(monitor.HANDSHAKE_SUCCEEDED, 0), 2)
    assert arrive(connections, peer(2), 7, key=OTHER) == ""

    assert arrive(connections, peer(1), 7) == ""

    found = connections.of_peer(peer(2))
    assert found is not None
    assert (found.fd, found.key) == (7, OTHER)
    assert connections.of_peer(peer(1)) is None


def test_the_new_owner_of_a_descriptor_takes_it_from_a_late_frame() -> None:
    connections = tracked(7)
    connections.on_event(MonitorEvent(monitor.DISCONNECTED, 7), 1)
    connections.on_accepted(7, NAME, 2)
    connections.on_event(MonitorEvent(monitor.HANDSHAKE_SUCCEEDED, 0), 2)
    assert arrive(connections, peer(1), 7) == ""

    assert arrive(connections, peer(2), 7, key=OTHER) == ""

    found = connections.of_peer(peer(2))
    assert found is not None
    assert (found.fd, found.key) == (7, OTHER)
    assert connections.of_peer(peer(1)) is None


def test_a_failed_handshake_is_told_with_the_end_of_its_connection() -> None:
    connections = tracked()
    connections.on_accepted(7, NAME, 0)

    assert connections.on_event(MonitorEvent(monitor.HANDSHAKE_FAILED_NO_DETAIL, 104), 0.1) == []
    told = connections.on_event(MonitorEvent(monitor.DISCONNECTED, 7), 0.1)

    assert told == [
        HandshakeFailed(7, "192.0.2.1", "handshake_failed"),
        Disconnected(7, "192.0.2.1", None, None),
    ]


@pytest.mark.covers("B-10")
def test_a_handshake_that_lasted_as_long_as_it_may_is_told_as_a_timeout() -> None:
    connections = tracked()
    connections.on_accepted(7, NAME, 0)

    connections.on_event(MonitorEvent(monitor.HANDSHAKE_FAILED_NO_DETAIL, 0), 3)

    told = connections.on_event(MonitorEvent(monitor.DISCONNECTED, 7), 3)
    assert told[0] == HandshakeFailed(7, "192.0.2.1", "handshake_timeout")


def test_a_connection_that_ends_before_its_handshake_has_failed_even_if_nobody_says_so() -> None:
    connections = tracked()
    connections.on_accepted(7, NAME, 0)

    told = connections.on_event(MonitorEvent(monitor.DISCONNECTED, 7), 0.1)

    assert told[0] == HandshakeFailed(7, "192.0.2.1", "handshake_failed")


def test_a_connection_that_leaves_without_a_word_has_not_failed() -> None:
    connections = tracked(7)

    told = connections.on_event(MonitorEvent(monitor.DISCONNECTED, 7), 0.1)

    assert told == [Disconnected(7, "192.0.2.1", None, None)]


def test_the_end_of_a_good_connection_is_not_taken_for_anothers_failure() -> None:
    connections = tracked(7)
    connections.on_accepted(8, NAME, 0)
    assert arrive(connections, peer(1), 7) == ""
    connections.on_event(MonitorEvent(monitor.HANDSHAKE_FAILED_AUTH, 400), 1)

    first = connections.on_event(MonitorEvent(monitor.DISCONNECTED, 7), 1)
    second = connections.on_event(MonitorEvent(monitor.DISCONNECTED, 8), 1)

    assert first == [Disconnected(7, "192.0.2.1", peer(1), KEY)]
    assert second[0] == HandshakeFailed(8, "192.0.2.1", "denied")


def test_what_is_printed_never_shows_a_peer() -> None:
    connections = tracked(7)
    arrive(connections, peer(1), 7)
    arrival = connections.arrival(
        peer(1), b"f", fd=7, user_id=KEY, address="192.0.2.1", is_whole=True
    )
    told = connections.on_event(MonitorEvent(monitor.DISCONNECTED, 7), 1)

    assert "peer" not in repr(arrival)
    assert "peer" not in repr(told)
