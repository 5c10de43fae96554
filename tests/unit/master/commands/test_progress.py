"""Records of progress, taken out of live output."""

import itertools
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.master.commands.shared.progress import RECORD_BYTES_MAX, Progress, Records

DATA = {"total": 40, "done": 10, "changed": 3, "failed": 1,
        "running": [{"state": "cmd.run", "id": "deploy", "for_s": 8.2}], "ended": []}  # fmt: skip
RECORD = b"\x1e" + json.dumps({"progress": DATA}).encode() + b"\n"


@given(cuts=st.lists(st.integers(0, 400), max_size=6))
def test_records_are_found_wherever_the_output_is_cut(cuts: list[int]) -> None:
    whole = b"one\ntw" + RECORD + b"o\n" + RECORD + RECORD + b"three"
    records, text, told = Records(), b"", 0
    places = sorted({0, *(cut % len(whole) for cut in cuts), len(whole)})
    for start, end in itertools.pairwise(places):
        piece, found = records.feed(whole[start:end])
        text += piece
        told += len(found)
        assert all(each.data == DATA for each in found)

    assert (text + records.flush(), told) == (b"one\ntwo\nthree", 3)


@pytest.mark.parametrize(
    "odd", [b"\x1eno json\n", b"\x1e[1]\n", b'\x1e{"progress": 5}\n', b"\x1e" * 3 + b"\n"]
)
def test_what_is_no_record_is_output(odd: bytes) -> None:
    assert Records().feed(b"a" + odd + b"b") == (b"a" + odd + b"b", [])


def test_a_record_without_an_end_holds_output_up_only_so_far() -> None:
    records = Records()
    assert records.feed(b"a\x1e{") == (b"a", [])

    text, _ = records.feed(b"x" * RECORD_BYTES_MAX)

    assert text == b"\x1e{" + b"x" * RECORD_BYTES_MAX


def test_a_line_shows_how_far_a_run_is_and_what_takes_how_long() -> None:
    line = Progress(DATA, at_s=100.0).line("web1", now_s=102.0)

    assert line == "web1  [####............] 10/40  3 changed  1 failed  cmd.run deploy (10 s)"


@pytest.mark.parametrize("data", [{}, {"total": "x", "running": 5}, {"running": [1, {}]}])
def test_odd_records_make_odd_lines_at_worst(data: dict[str, object]) -> None:
    assert Progress(data, 0.0).line("web1", 0.0).startswith("web1  [....")
