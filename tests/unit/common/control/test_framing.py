import os
import socket
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.common.control.framing import FramedSocket, FrameReader, frame
from limpet.common.errors import PeerError

Pair = tuple[FramedSocket, socket.socket]


@pytest.fixture
def pair() -> Iterator[Pair]:
    ours, theirs = socket.socketpair()
    theirs.settimeout(5)
    framed = FramedSocket(
        ours, read_bytes_max=1000, write_bytes_max=10_000_000, queue_bytes_max=300_000
    )
    yield framed, theirs
    framed.close()
    theirs.close()


@given(
    st.lists(st.binary(min_size=1, max_size=50), max_size=20),
    st.lists(st.integers(1, 30), min_size=1, max_size=20),
)
def test_frames_come_out_as_they_went_in_however_the_stream_is_cut(
    payloads: list[bytes], cuts: list[int]
) -> None:
    stream = b"".join(frame(payload, bytes_max=50) for payload in payloads)
    reader = FrameReader(50)
    found: list[bytes] = []
    position = turn = 0
    while position < len(stream):
        size = cuts[turn % len(cuts)]
        found += reader.feed(stream[position : position + size])
        position += size
        turn += 1

    assert found == payloads
    assert not reader.is_inside_a_frame


@given(st.binary(max_size=200))
def test_any_bytes_are_payloads_within_the_bound_or_one_peer_error(data: bytes) -> None:
    reader = FrameReader(20)
    reason = ""
    payloads: list[bytes] = []
    try:
        payloads = reader.feed(data)
    except PeerError as error:
        reason = error.reason

    assert reason in ("", "oversize", "empty")
    assert all(1 <= len(payload) <= 20 for payload in payloads)


@pytest.mark.covers("B-74")
def test_a_length_over_the_bound_is_refused_before_any_of_its_bytes_come() -> None:
    with pytest.raises(PeerError) as caught:
        FrameReader(1000).feed((100 * 1024 * 1024).to_bytes(4, "big"))
    assert caught.value.reason == "oversize"


def test_a_frame_the_other_end_would_refuse_is_not_sent(pair: Pair) -> None:
    framed, _ = pair
    with pytest.raises(PeerError):
        framed.send(bytes(10_000_001))
    assert framed.queued_bytes == 0


def test_what_the_peer_does_not_read_waits_up_to_the_bound_and_no_further(pair: Pair) -> None:
    framed, theirs = pair
    sent = 0
    while framed.send(bytes(50_000)):
        sent += 1
        assert sent < 1000, "the queue has no bound"
    assert 0 < framed.queued_bytes <= 300_000
    assert framed.wants_write

    reader = FrameReader(50_000)
    found = 0
    while found < sent:
        found += len(reader.feed(theirs.recv(65536)))
        framed.flush()
    assert framed.queued_bytes == 0
    assert not framed.wants_write


def test_one_large_frame_may_pass_an_empty_queue(pair: Pair) -> None:
    framed, _ = pair
    assert framed.send(bytes(2_000_000))
    assert not framed.send(b"x")


def test_the_end_of_the_stream_gives_what_came_before_it(pair: Pair) -> None:
    framed, theirs = pair
    theirs.sendall(frame(b"last words", bytes_max=100))
    theirs.close()

    assert framed.receive() == [b"last words"]
    framed.receive()
    assert framed.is_closed
    assert framed.why_closed == "closed by the peer"


def test_writing_to_a_peer_that_has_gone_closes_and_never_raises(pair: Pair) -> None:
    framed, theirs = pair
    theirs.close()

    framed.send(b"hello")
    framed.send(b"hello")

    assert framed.is_closed
    assert not framed.wants_write
    assert framed.queued_bytes == 0


@pytest.mark.covers("B-74")
def test_descriptors_that_a_peer_passes_are_not_taken(pair: Pair) -> None:
    framed, theirs = pair
    read_end, write_end = os.pipe()
    socket.send_fds(theirs, [frame(b"here", bytes_max=10)], [write_end])
    os.close(write_end)

    assert framed.receive() == [b"here"]
    os.set_blocking(read_end, False)
    assert os.read(read_end, 1) == b"", "somebody still holds the passed descriptor"
    os.close(read_end)


def test_a_last_word_takes_the_place_of_all_that_waits_but_not_of_half_a_frame(pair: Pair) -> None:
    framed, theirs = pair
    while framed.send(bytes(50_000)):
        pass
    framed.cut_short(b"enough")
    assert framed.queued_bytes < 50_000 + 20

    reader = FrameReader(50_000)
    found: list[bytes] = []
    while not found or found[-1] != b"enough":
        found += reader.feed(theirs.recv(65536))
        framed.flush()
    assert set(found[:-1]) == {bytes(50_000)}
