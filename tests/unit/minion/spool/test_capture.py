"""Captured output: bounded on disk, readable while it is written, honest about what is missing."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.minion.spool import capture
from limpet.minion.spool.capture import Capture, read, summary

HEAD, TAIL = 64, 32


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(capture, "HEAD_BYTES", HEAD)
    monkeypatch.setattr(capture, "TAIL_BYTES", TAIL)


def written(path: Path, *pieces: bytes) -> Capture:
    writer = Capture(path)
    for piece in pieces:
        writer.write(piece)
    return writer


def stream(length: int) -> bytes:
    return bytes(number % 251 for number in range(length))


@pytest.mark.covers("B-83")
@pytest.mark.parametrize("length", [0, 1, 63, 64, 65, 96, 97, 128, 1000])
def test_head_and_tail_are_kept_whatever_the_length(tmp_path: Path, length: int) -> None:
    data = stream(length)
    path = tmp_path / "out"
    written(path, data[: length // 3], data[length // 3 :]).close()

    kept, is_cut = summary(path, 1_000_000)

    assert is_cut == (length > HEAD + TAIL)
    if not is_cut:
        assert kept == data
    else:
        half = (HEAD + TAIL) // 2
        assert kept.startswith(data[:half] + b"\n[... ")
        assert kept.endswith(data[-min(half, TAIL) :])
    if length:
        assert path.stat().st_size <= HEAD + TAIL + 8
    else:
        assert not path.exists()


def test_a_summary_keeps_within_the_room_it_is_given(tmp_path: Path) -> None:
    path = tmp_path / "out"
    written(path, b"a" * 40 + b"z" * 20).close()

    assert summary(path, 10) == (
        b"aaaaa\n[... 50 bytes of output were cut out here ...]\nzzzzz",
        True,
    )


def test_a_reader_that_keeps_up_gets_everything(tmp_path: Path) -> None:
    path = tmp_path / "out"
    writer = Capture(path)
    offset, got = 0, b""
    for number in range(200):
        writer.write(b"%05d" % number)
        piece = read(path, offset, 20)
        assert piece.missed == 0
        offset, got = piece.offset, got + piece.data
    writer.close()

    assert got == b"".join(b"%05d" % number for number in range(200))


def test_a_reader_that_falls_behind_is_told_how_much_it_missed(tmp_path: Path) -> None:
    path = tmp_path / "out"
    data = stream(1000)
    written(path, data).close()

    piece = read(path, 10, 20)
    late = read(path, 70, 1000)
    jump = read(path, 0, 1000, lag_bytes_max=16)

    assert (piece.data, piece.missed, piece.offset) == (data[10:30], 0, 30)  # still in the head
    assert (late.data, late.missed) == (data[-TAIL:], 1000 - TAIL - 70)
    assert (jump.data, jump.missed, jump.offset) == (data[-16:], 984, 1000)


@given(st.lists(st.integers(1, 50), max_size=20), st.integers(1, 40))
def test_bytes_read_and_bytes_missed_add_up(
    tmp_path_factory: pytest.TempPathFactory, lengths: list[int], size: int
) -> None:
    path = tmp_path_factory.mktemp("capture") / "out"
    writer = Capture(path)
    data, offset = b"", 0
    for length in lengths:
        piece = bytes((len(data) + number) % 251 for number in range(length))
        data += piece
        writer.write(piece)
        got = read(path, offset, size)
        start = offset + got.missed
        assert got.data == data[start : start + len(got.data)]
        assert got.offset == start + len(got.data) <= len(data)
        offset = got.offset
    writer.close()


def test_output_that_the_disk_does_not_take_is_counted(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> int:
        raise OSError(28, "No space left on device")

    path = tmp_path / "out"
    writer = written(path, b"kept")
    monkeypatch.setattr("os.pwrite", full)
    writer.write(b"lost")
    monkeypatch.undo()
    writer.close()

    assert (writer.total_bytes, writer.lost_bytes) == (4, 4)
    assert summary(path, 100) == (b"kept", False)


def test_no_output_is_no_file(tmp_path: Path) -> None:
    assert read(tmp_path / "none", 0, 10) == (b"", 0, 0)
    assert summary(tmp_path / "none", 10) == (b"", False)
