"""The spool: results that appear whole, room for the day of the full disk, nothing left over."""

import errno
import os
from pathlib import Path

import pytest

from limpet.common.errors import HostError
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.spool.spool import SLOT_BYTES, SLOTS, Spool
from support.minion.journal_records import jid

RESULT = WorkerResult("ok", 0, body=b"\xc3", body_bytes=1)


@pytest.fixture(name="spool")
def _spool(tmp_path: Path) -> Spool:
    spool = Spool(tmp_path / "spool")
    spool.prepare()
    return spool


def full_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "posix_fallocate", full)


def names(spool: Spool) -> list[str]:
    return sorted(path.name for path in spool.directory.iterdir())


def test_a_result_is_there_when_it_is_whole(spool: Spool) -> None:
    slot = spool.take_slot(jid(1), 42)
    assert spool.read_result(jid(1)) is None
    spool.write_result(jid(1), slot, RESULT)

    assert spool.read_result(jid(1)) == RESULT


def test_the_largest_result_fits_its_slot(spool: Spool) -> None:
    largest = WorkerResult("failed", 1, "é" * 4096, body=b"x" * 16 * 1024, body_bytes=16 * 1024)
    spool.write_result(jid(1), spool.take_slot(jid(1), 42), largest)

    assert spool.result(jid(1)).stat().st_size <= SLOT_BYTES
    assert spool.read_result(jid(1)) == largest


@pytest.mark.covers("D6")
@pytest.mark.parametrize("data", [b"", b"\0" * 100, b"\xc1", b"x" * 100_000])
def test_a_damaged_result_is_an_error_that_names_the_file(spool: Spool, data: bytes) -> None:
    spool.result(jid(1)).write_bytes(data)

    with pytest.raises(HostError, match=f"{jid(1)}.result"):
        spool.read_result(jid(1))


@pytest.mark.covers("I1")
def test_on_a_full_disk_as_many_jobs_end_as_slots_were_set_aside(
    spool: Spool, monkeypatch: pytest.MonkeyPatch
) -> None:
    full_disk(monkeypatch)
    for number in range(SLOTS):
        spool.write_result(jid(number), spool.take_slot(jid(number), 42), RESULT)
    with pytest.raises(OSError, match="No space left"):
        spool.take_slot(jid(99), 42)

    assert names(spool) == [f"{jid(number)}.result" for number in range(SLOTS)]
    monkeypatch.undo()
    spool.drop(jid(0))
    assert len([name for name in names(spool) if name.startswith("slot-")]) == SLOTS


def test_dropping_a_job_leaves_nothing_of_it_and_all_of_the_others(spool: Spool) -> None:
    for number in (1, 2):
        spool.take_slot(jid(number), 42)
        spool.write_body(spool.unfinished(jid(number), 42, "body"), b"body")
        spool.output(jid(number)).write_bytes(b"out")
    spool.drop(jid(1))

    assert not [name for name in names(spool) if name.startswith(jid(1))]
    assert len([name for name in names(spool) if name.startswith(jid(2))]) == 3
    spool.drop(jid(1))


def test_tidying_deletes_what_no_known_job_owns(spool: Spool) -> None:
    spool.result(jid(1)).write_bytes(b"1")
    spool.result(jid(2)).write_bytes(b"2")
    (spool.directory / "slot-3").unlink()
    (spool.directory / "README").write_text("not ours")
    spool.tidy({jid(2)})

    assert names(spool) == sorted(
        ["README", f"{jid(2)}.result", *(f"slot-{number}" for number in range(SLOTS))]
    )
