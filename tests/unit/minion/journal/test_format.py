"""Frames of the journal, and what is read from files that a crash or a bad disk left behind."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.minion.journal.format import HEADER_BYTES, frames, header, scan
from limpet.minion.journal.records import (
    JobAcknowledged,
    JobFinished,
    JobForgotten,
    JobStarted,
    JobTombstone,
    JournalOpened,
    JournalState,
    Note,
    Record,
    compact,
    replay,
)
from support.minion.journal_records import accepted, finished, jid

SIZE = 64 * 1024
OPENED = JournalOpened("0" * 32)

JIDS = st.integers(0, 5).map(jid)
WALL = st.floats(0, 4e9)
RECORDS = st.one_of(
    st.builds(Note, st.sampled_from(["fleet", "store_id"]), st.text(max_size=20)),
    st.builds(accepted, JIDS, arguments=st.binary(max_size=40)),
    st.builds(
        JobStarted, JIDS, st.integers(1, 2**22), st.integers(0, 2**53), st.just("b"), WALL, WALL
    ),
    st.builds(finished, JIDS, body=st.binary(max_size=40)),
    st.builds(JobTombstone, JIDS, WALL),
    st.builds(JobAcknowledged, JIDS, WALL),
    st.builds(JobForgotten, JIDS),
)


def file_of(*batches: list[Record], size: int = SIZE) -> bytes:
    """Give the bytes of a journal with these batches."""
    body = b"".join(frames(batch, number) for number, batch in enumerate(batches, 1))
    return (header(size) + body).ljust(size, b"\0")


def replayed(records: list[Record]) -> JournalState:
    state = JournalState()
    for record in records:
        replay(state, record)
    return state


@given(st.lists(st.lists(RECORDS, min_size=1, max_size=4), max_size=6))
def test_what_was_written_is_read_back_in_order(batches: list[list[Record]]) -> None:
    found = scan(file_of([OPENED], *batches))

    assert found.verdict == "clean"
    assert found.records == [OPENED, *(record for batch in batches for record in batch)]
    assert found.last_batch == 1 + len(batches)


@given(st.lists(RECORDS, max_size=30))
def test_a_compacted_journal_replays_to_what_it_was_made_from(records: list[Record]) -> None:
    once = replayed(compact(replayed([OPENED, *records])))
    twice = replayed(compact(once))

    assert twice == once
    before = replayed([OPENED, *records])
    assert set(once.jobs) == set(before.jobs)
    for one, other in zip(once.jobs.values(), before.jobs.values(), strict=True):
        assert one.is_acknowledged == other.is_acknowledged
        if not one.is_acknowledged:
            assert (one.accepted, one.started, one.finished, one.is_cancelled) == (
                other.accepted,
                other.started,
                other.finished,
                other.is_cancelled,
            )


def test_an_empty_journal_is_clean() -> None:
    found = scan(file_of([OPENED]))

    assert (found.verdict, found.records) == ("clean", [OPENED])


@pytest.mark.covers("D6")
@pytest.mark.parametrize("written", [0, 8, 200, 512, 1024])
def test_a_last_batch_that_was_not_written_to_its_end_is_cut_off(written: int) -> None:
    whole = file_of([OPENED], [accepted(jid(1))], [finished(jid(1), body=b"x" * 3000)])
    end = scan(file_of([OPENED], [accepted(jid(1))])).end
    sector_end = end + written - (end + written) % 512
    torn = whole[: max(end, sector_end)].ljust(SIZE, b"\0")

    found = scan(torn)

    assert found.verdict == ("clean" if sector_end <= end else "torn")
    assert found.records == [OPENED, accepted(jid(1))]
    assert found.end == end


@pytest.mark.covers("D6")
def test_a_batch_whose_first_sector_never_came_is_cut_off() -> None:
    whole = bytearray(file_of([OPENED], [finished(jid(1), body=b"x" * 3000), accepted(jid(2))]))
    end = scan(file_of([OPENED])).end
    whole[end:512] = bytes(512 - end)

    found = scan(bytes(whole))

    assert (found.verdict, found.end) == ("torn", end)


@pytest.mark.covers("D6")
def test_a_flipped_bit_in_an_old_record_is_damage_and_the_rest_can_be_read() -> None:
    data = bytearray(file_of([OPENED], [accepted(jid(1))], [accepted(jid(2))], [finished(jid(2))]))
    place = scan(file_of([OPENED])).end + 40
    data[place] ^= 4

    found = scan(bytes(data))

    assert found.verdict == "damaged"
    assert found.records == [OPENED, accepted(jid(2)), finished(jid(2))]


@pytest.mark.covers("D6")
def test_a_flipped_bit_in_the_last_record_is_damage_too() -> None:
    data = bytearray(file_of([OPENED], [JobStarted(jid(1), 7, 8, "b", 1.0, 1.0)]))
    place = scan(file_of([OPENED])).end + 24
    data[place] ^= 1

    assert scan(bytes(data)).verdict == "damaged"


@pytest.mark.covers("D6")
def test_a_file_that_was_cut_short_is_damage_even_between_two_records() -> None:
    data = file_of([OPENED], [accepted(jid(1))], [accepted(jid(2))])
    between = scan(file_of([OPENED], [accepted(jid(1))])).end

    found = scan(data[:between])

    assert found.verdict == "damaged"
    assert found.records == [OPENED, accepted(jid(1))]


@pytest.mark.covers("D6")
@pytest.mark.parametrize("data", [b"", b"\0" * SIZE, b"{}", b"\xff" * SIZE, header(SIZE)[:20]])
def test_a_file_that_is_no_journal_is_damage(data: bytes) -> None:
    assert scan(data).verdict == "damaged"


@given(st.binary(max_size=300), st.integers(0, 400))
def test_no_bytes_whatever_make_the_reader_raise(noise: bytes, offset: int) -> None:
    data = bytearray(file_of([OPENED], [accepted(jid(1))], size=2048))
    data[offset : offset + len(noise)] = noise

    assert scan(bytes(data)).verdict in ("clean", "torn", "damaged")


def test_frames_begin_on_multiples_of_eight() -> None:
    for length in range(9):
        assert len(frames([Note("n", "v" * length)], 1)) % 8 == 0
    assert HEADER_BYTES % 8 == 0
    assert isinstance(finished(jid(1)), JobFinished)
