"""`limpet migrate-config` as people type it: what is written, what is kept, what is refused."""

import subprocess
import sys
from pathlib import Path

import pytest


def migrate(tmp_path: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    command = [sys.executable, "-m", "limpet", "--root", str(tmp_path / "new"), "migrate-config"]
    return subprocess.run(
        [*command, str(tmp_path / "salt"), *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def salt(tmp_path: Path) -> Path:
    place = tmp_path / "salt"
    (place / "minion.d").mkdir(parents=True)
    (place / "minion").write_text("master: 10.0.0.1\nbeacons: {x: []}\n")
    (place / "minion.d" / "a.conf").write_text("saltenv: dev\n")
    (place / "minion_id").write_text("Web1\n")
    return place


def written(tmp_path: Path) -> Path:
    (found,) = (tmp_path / "new").rglob("minion.yaml")
    return found


def test_the_file_is_written_private_and_what_has_no_place_is_told(
    tmp_path: Path, salt: Path
) -> None:
    done = migrate(tmp_path)
    assert done.returncode == 0, done.stderr
    text = written(tmp_path).read_text()
    assert "id: web1" in text
    assert "saltenv: dev" in text
    assert written(tmp_path).stat().st_mode & 0o777 == 0o600
    assert "beacons: there are no beacons" in done.stderr


def test_nothing_is_overwritten_neither_the_file_nor_what_was_kept_of_it(
    tmp_path: Path, salt: Path
) -> None:
    migrate(tmp_path)
    written(tmp_path).write_text("master: mine\n")
    refused = migrate(tmp_path)
    assert refused.returncode != 0
    assert "is there already" in refused.stderr
    for _ in range(2):
        assert migrate(tmp_path, "--force").returncode == 0
    kept = sorted(each.read_text() for each in written(tmp_path).parent.glob("minion.yaml.old*"))
    assert len(kept) == 2
    assert "master: mine\n" in kept


def test_an_id_that_is_no_text_is_a_line_and_no_traceback(tmp_path: Path, salt: Path) -> None:
    (salt / "minion_id").write_bytes(b"\xff\xfe")
    done = migrate(tmp_path)
    assert done.returncode != 0
    assert "Traceback" not in done.stderr
    assert "minion_id" in done.stderr
