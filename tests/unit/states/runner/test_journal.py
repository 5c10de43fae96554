"""The journal of a run: what is written is read, whatever happens to its end."""

import os
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from limpet.states.runner import journal
from limpet.states.runner.journal import Opened, Writer

JID = "01JD3Z0VQ90000000000000000"
TAGS = ["a_|-a_|-a_|-run", "b_|-b_|-b_|-run", "c_|-c_|-c_|-run"]


def opened(**changes: Any) -> Opened:  # noqa: ANN401
    values: dict[str, Any] = {
        "jid": JID, "kind": "sls", "data": ["web"], "id_": None, "is_test": False,
        "wishes": {"pillar": {"a": 1}}, "resumes": "", "doubtful": (), "started_wall_s": 5.0,
    }  # fmt: skip
    return Opened(**(values | changes))


def result(**more: object) -> dict[str, Any]:
    return {"name": "x", "result": True, "changes": {}, "comment": "", **more}


def cut_run(path: Path) -> Writer:
    """Write a run that did the first state and is in the second of three."""
    writer = Writer(path, opened())
    writer.planned([(tag, "web") for tag in TAGS])
    writer.began(TAGS[0], 6.0)
    writer.ended(TAGS[0], result(changes={"new": b"\xff", 5: {"x"}}))
    writer.began(TAGS[1], 7.0)
    return writer


def test_a_run_that_was_cut_off_says_what_is_done_running_and_not_reached(tmp_path: Path) -> None:
    cut_run(tmp_path / JID).close()

    found = journal.read(tmp_path / JID)

    assert found is not None
    assert found.opened == opened()
    assert found.done == {TAGS[0]: result(changes={"new": b"\xff", 5: ["x"]})}
    assert found.running == [TAGS[1]]
    assert found.not_reached == [TAGS[2]]
    assert (found.is_over, found.is_whole) == (False, True)
    value, words = journal.told(found, JID)
    assert value == {"done": found.done, "running": [TAGS[1]], "not_reached": [TAGS[2]]}
    assert words == (
        f"1 of 3 states done, was running: b.run b, not reached: 1; "
        f"go on with: limpet apply --resume {JID}"
    )


def test_it_is_for_its_owner_alone_and_there_before_the_state_runs(tmp_path: Path) -> None:
    writer = cut_run(tmp_path / "runs" / JID)  # not closed: what a kill would leave

    found = journal.read(tmp_path / "runs" / JID)

    assert found is not None
    assert found.running == [TAGS[1]]
    assert (tmp_path / "runs" / JID).stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "runs").stat().st_mode & 0o777 == 0o700
    writer.close()


@given(cut=st.integers(0, 10_000), flip=st.none() | st.integers(0, 10_000))
def test_a_damaged_end_costs_no_more_than_what_stood_there(
    tmp_path_factory: pytest.TempPathFactory, cut: int, flip: int | None
) -> None:
    path = tmp_path_factory.mktemp("runs") / JID
    cut_run(path).close()
    whole = path.read_bytes()
    data = bytearray(whole[: cut % (len(whole) + 1)])
    if flip is not None and data:
        data[flip % len(data)] ^= 0x41

    frames, size = journal.decode(bytes(data))

    assert whole.startswith(bytes(data[:size]))
    assert frames == journal.decode(whole)[0][: len(frames)]


def test_a_later_run_is_found_behind_a_damaged_end(tmp_path: Path) -> None:
    path = tmp_path / JID
    cut_run(path).close()
    with path.open("ab") as file:
        file.write(b"\x00\x00\x00\x09torn")
    recorded = journal.read(path)
    assert recorded is not None

    journal.continue_in(path, recorded, "01JD3Z0VQ90000000000000001")

    again = journal.read(path)
    assert again is not None
    assert again.continued == "01JD3Z0VQ90000000000000001"
    assert again.done == recorded.done


def test_what_is_too_large_or_odd_is_kept_without_its_texts(tmp_path: Path) -> None:
    path = tmp_path / JID
    writer = Writer(path, opened())
    writer.planned([(tag, "web") for tag in TAGS])
    writer.ended(TAGS[0], result(changes={"diff": "x" * 2_000_000}, comment="y" * 10_000))
    writer.ended(TAGS[1], result(comment="\ud800", result=False, changes={}))
    writer.ended("n_|-\udcff_|-n_|-run", result())
    writer.over(is_good=False)

    found = journal.read(path)

    assert found is not None
    assert path.stat().st_size < 10_000
    assert found.is_over
    assert found.done[TAGS[0]]["changes"]
    assert found.done[TAGS[0]]["result"] is True
    assert found.done[TAGS[1]]["result"] is False
    assert not found.done[TAGS[1]]["changes"]
    assert "n_|-\\udcff_|-n_|-run" in found.done


def test_a_full_disk_ends_the_journal_and_says_so(tmp_path: Path) -> None:
    path = tmp_path / JID
    writer = cut_run(path)
    before = path.stat().st_size
    full = os.open("/dev/full", os.O_WRONLY)
    os.dup2(full, writer._descriptor)
    os.close(full)

    writer.ended(TAGS[1], result())
    writer.over(is_good=True)

    assert writer.trouble == "No space left on device"
    assert path.stat().st_size == before


def test_a_journal_with_a_gap_is_known_by_its_mode(tmp_path: Path) -> None:
    path = tmp_path / JID
    cut_run(path).close()
    path.chmod(0o400)

    found = journal.read(path)

    assert found is not None
    assert not found.is_whole
    assert "not whole" in journal.told(found, JID)[1]


def test_only_the_newest_journals_are_kept(tmp_path: Path) -> None:
    for number in range(30):
        path = tmp_path / f"run{number:02}"
        Writer(path, opened()).close()
        os.utime(path, (number, number))

    assert sorted(each.name for each in tmp_path.iterdir())[0] == "run10"
    assert len(list(tmp_path.iterdir())) == journal.KEPT_MAX


@pytest.mark.parametrize("data", [b"", b"\x00", b"not a journal at all, but text" * 3])
def test_other_files_are_no_journals(tmp_path: Path, data: bytes) -> None:
    (tmp_path / JID).write_bytes(data)

    assert journal.read(tmp_path / JID) is None
    assert journal.read(tmp_path / "none") is None
