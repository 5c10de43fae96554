"""What a job comes to on a minion of the swarm."""

import hashlib

import msgspec
import pytest

from limpet.common.errors import UsageError
from limpet.minion.swarm.minions.behaviour import (
    Behaviour,
    body_bytes,
    body_piece,
    fate_of,
    parse_bytes_range,
    parse_seconds_range,
    result_of,
)

LENGTHS = [0, 1, 31, 32, 255, 256, 65_535, 65_536, 300_000]


@pytest.mark.parametrize("length", LENGTHS)
def test_a_return_is_a_text_of_the_wanted_length(length: int) -> None:
    whole = body_piece(length, 0, 1 << 30)
    assert len(whole) == body_bytes(length)
    assert len(msgspec.msgpack.decode(whole, type=str)) == length


@pytest.mark.parametrize("length", LENGTHS)
@pytest.mark.parametrize("piece", [1, 7, 4_096, 160 * 1024])
def test_pieces_make_the_whole(length: int, piece: int) -> None:
    size = min(body_bytes(length), 3_000 if piece < 100 else 1 << 30)
    pieces = [body_piece(length, at, min(piece, size - at)) for at in range(0, size, piece)]
    assert b"".join(pieces) == body_piece(length, 0, size)
    assert body_piece(length, body_bytes(length), piece) == b""


@pytest.mark.parametrize("length", LENGTHS)
def test_a_result_tells_size_and_digest_of_its_body(length: int) -> None:
    fate = fate_of(Behaviour(return_bytes=(length, length)), "a", "j")
    result = result_of(fate, started_wall_s=5.0)
    whole = body_piece(length, 0, 1 << 30)
    assert result.body_bytes == len(whole)
    assert result.body_digest == hashlib.sha256(whole).hexdigest()
    assert result.is_in_spool == (len(whole) > 16 * 1024)
    assert result.body == (b"" if result.is_in_spool else whole)


def test_the_same_seed_gives_the_same_fate_everywhere() -> None:
    behaviour = Behaviour(3, (0.5, 2.0), (10, 1_000), 0.3)
    assert fate_of(behaviour, "web1", "J1") == fate_of(behaviour, "web1", "J1")
    others = {fate_of(behaviour, "web2", "J1"), fate_of(behaviour, "web1", "J2")}
    others.add(fate_of(msgspec.structs.replace(behaviour, seed=4), "web1", "J1"))
    assert fate_of(behaviour, "web1", "J1") not in others


def test_fates_keep_to_what_was_asked_for() -> None:
    behaviour = Behaviour(1, (0.5, 2.0), (10, 20), 0.25)
    fates = [fate_of(behaviour, f"m{number}", "J") for number in range(4_000)]
    assert all(0.5 <= fate.delay_s <= 2.0 for fate in fates)
    assert {fate.return_bytes for fate in fates} == set(range(10, 21))
    assert sum(fate.is_failed for fate in fates) == pytest.approx(1_000, rel=0.1)


@pytest.mark.parametrize(("rate", "failed"), [(0.0, 0), (1.0, 500)])
def test_none_or_all_fail(rate: float, failed: int) -> None:
    behaviour = Behaviour(failure_rate=rate)
    assert sum(fate_of(behaviour, f"m{n}", "J").is_failed for n in range(500)) == failed


def test_a_job_that_fails_says_why() -> None:
    result = result_of(fate_of(Behaviour(failure_rate=1.0), "m", "J"), started_wall_s=1.0)
    assert (result.outcome, result.retcode) == ("failed", 1)
    assert "swarm" in result.error


def test_ranges_are_read() -> None:
    assert parse_seconds_range("0.5") == (0.5, 0.5)
    assert parse_seconds_range("1s..2m") == (1.0, 120.0)
    assert parse_bytes_range("64k") == (65_536, 65_536)
    assert parse_bytes_range("100..1M") == (100, 1_048_576)


@pytest.mark.parametrize("text", ["", "..", "2..1", "x", "1..", "-1", "1..2..3", "2d"])
def test_bad_delays_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_seconds_range(text)


@pytest.mark.parametrize("text", ["", "1.5", "2k..1k", "x", "1G", "101M", "-1"])
def test_bad_sizes_are_refused(text: str) -> None:
    with pytest.raises(UsageError):
        parse_bytes_range(text)
