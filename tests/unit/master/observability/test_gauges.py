"""What only the master's shell can measure of itself."""

import os
import resource
from pathlib import Path

import pytest

from limpet.master.observability.gauges import descriptor_limit, room


def test_the_room_of_a_place_is_that_of_its_file_system(tmp_path: Path) -> None:
    found = os.statvfs(tmp_path)
    told = room(tmp_path)
    assert told["disk_bytes"] == found.f_blocks * found.f_frsize
    assert 0 <= told["disk_free_bytes"] <= told["disk_bytes"]
    database = tmp_path / "master.db"
    database.touch()
    assert room(database)["disk_bytes"] == told["disk_bytes"]


def test_what_is_kept_back_for_root_is_free_for_root_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    kept_back = os.statvfs_result((4096, 4096, 1000, 300, 250, 0, 0, 0, 0, 255))
    monkeypatch.setattr(os, "statvfs", lambda place: kept_back)
    for user, blocks in ((0, 300), (65_534, 250)):
        monkeypatch.setattr(os, "geteuid", lambda user=user: user)
        assert room(Path("/")) == {"disk_bytes": 4096e3, "disk_free_bytes": 4096.0 * blocks}


def test_a_place_that_is_gone_has_no_room_to_tell(tmp_path: Path) -> None:
    assert room(tmp_path / "gone" / "master.db") == {}


def test_the_limit_of_open_files_is_told_where_there_is_one(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(resource, "getrlimit", lambda what: (1024, 4096))
    assert descriptor_limit() == {"fds_max": 1024.0}
    unlimited = (resource.RLIM_INFINITY, resource.RLIM_INFINITY)
    monkeypatch.setattr(resource, "getrlimit", lambda what: unlimited)
    assert descriptor_limit() == {}
