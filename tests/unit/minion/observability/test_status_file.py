"""The status file: what it says, how often it is written, what outlives a restart."""

import json
import time
from pathlib import Path

import pytest

from limpet.common.clock import Instant, Moment
from limpet.minion.observability.status_file import StatusFile
from limpet.minion.sessions.states import Change, State


def written(path: Path, status: StatusFile, at: float) -> dict[str, object]:
    """Let it write at a time, and read what it wrote."""
    status.collect(Moment(Instant(at), at))
    end = time.monotonic() + 10
    while not path.exists():
        assert time.monotonic() < end
        time.sleep(0.005)
    status.close()
    content: dict[str, object] = json.loads(path.read_text())
    return content


@pytest.mark.covers("K5", "K6")
def test_it_says_the_state_since_when_and_why(tmp_path: Path) -> None:
    status = StatusFile(tmp_path / "status.json")
    status.note([Change(5.0, State.BACKOFF, "refused")], {"minion_id": "web1"})
    content = written(tmp_path / "status.json", status, 100.0)
    assert (content["state"], content["since"], content["reason"]) == ("backoff", 5.0, "refused")
    assert content["minion_id"] == "web1"


@pytest.mark.covers("K10")
def test_a_hundred_changes_are_kept_over_restarts(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    first = StatusFile(path)
    first.note([Change(float(n), State.BACKOFF, "refused") for n in range(80)], {})
    written(path, first, 100.0)
    second = StatusFile(path)
    second.note([Change(float(n), State.READY, "") for n in range(80, 120)], {})
    content = written(path, second, 200.0)
    changes = content["changes"]
    assert isinstance(changes, list)
    assert [change["at"] for change in changes] == [float(n) for n in range(20, 120)]


def test_each_change_is_taken_once(tmp_path: Path) -> None:
    status = StatusFile(tmp_path / "status.json")
    changes = [Change(1.0, State.RESOLVING, ""), Change(1.0, State.RESOLVING, "")]
    for _ in range(3):
        status.note(changes, {})
    changes.append(Change(2.0, State.READY, ""))
    status.note(changes, {})
    content = written(tmp_path / "status.json", status, 100.0)
    assert isinstance(content["changes"], list)
    assert len(content["changes"]) == 3


def test_it_is_written_at_most_once_a_second(tmp_path: Path) -> None:
    path = tmp_path / "status.json"
    status = StatusFile(path)
    written_at = 100.0
    status.collect(Moment(Instant(written_at), 0.0))
    status.note([Change(1.0, State.READY, "")], {})
    assert status.next_deadline >= written_at
    end = time.monotonic() + 10
    while status.next_deadline > 1e9:  # the thread still writes
        assert time.monotonic() < end
        status.collect(Moment(Instant(written_at + 0.1), 0.0))
        time.sleep(0.005)
    assert status.next_deadline == written_at + 1
    status.close()


@pytest.mark.parametrize("text", ["", "{", '{"changes": 3}', "\xff\xfe"])
def test_a_damaged_file_of_an_earlier_run_is_as_good_as_none(tmp_path: Path, text: str) -> None:
    path = tmp_path / "status.json"
    path.write_text(text, encoding="latin-1")
    status = StatusFile(path)
    status.note([Change(1.0, State.READY, "")], {})
    status.close()
    assert len(json.loads(path.read_text())["changes"]) == 1


def test_a_directory_that_is_gone_is_nothing_to_stumble_over(tmp_path: Path) -> None:
    status = StatusFile(tmp_path / "gone" / "status.json")
    status.note([Change(1.0, State.READY, "")], {})
    status.collect(Moment(Instant(1.0), 0.0))
    status.close()
    assert not (tmp_path / "gone").exists()
