"""A master is saved while it works, lost, and put back from the file."""

import random
import shutil
import signal
import subprocess
import tarfile
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.master.fleet import LIMPET, Fleet, wait_until

PASSPHRASE = "correct horse battery"


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    folder = tmp_path / "fleet"
    folder.mkdir()
    with Fleet(folder, minions=2) as running:
        yield running


@pytest.fixture
def secret(tmp_path: Path) -> Path:
    path = tmp_path / "passphrase"
    path.write_text(f"{PASSPHRASE}\n")
    return path


def lose_the_disk(fleet: Fleet) -> None:
    """Take the master's host away; a new one has the same address and nothing on it."""
    fleet.master.kill_tree()
    fleet.master.root.rename(fleet.folder / "lost")
    fleet.master.root.mkdir(mode=0o700)


def contents(path: Path) -> dict[str, bytes]:
    with tarfile.open(path) as tar:
        return {each.name: tar.extractfile(each).read() for each in tar}  # type: ignore[union-attr]


def restore(fleet: Fleet, path: Path, *more: str) -> subprocess.CompletedProcess[str]:
    return fleet.limpet("master", "restore", str(path), *more)


@pytest.mark.slow
@pytest.mark.covers("J10", "C11")
def test_minions_come_back_to_a_restored_master_and_nothing_of_before_is_sent_again(
    fleet: Fleet, secret: Path, tmp_path: Path
) -> None:
    web2 = fleet.minions["web2"]
    web2.stop()
    wait_until("web2 is gone", lambda: fleet.states().get("web2") != "ready")
    ran = tmp_path / "ran"
    jid = fleet.limpet(
        "run", "--async", "--ttl", "1h", "web2", "cmd.run", f"echo once >> {ran}"
    ).stdout.strip()
    path = tmp_path / "master.backup"
    made = fleet.limpet(
        "master", "backup", str(path), "--with-keys", "--passphrase-file", str(secret)
    )
    assert made.returncode == 0, made.stderr
    assert path.stat().st_mode & 0o777 == 0o600
    assert [each.name for each in tmp_path.iterdir() if each.name.startswith(".")] == []
    web2.start()
    wait_until("the job has run", ran.exists)
    fleet.wait_ready(2)
    fleet.limpet("run", "web1", "test.ping")

    lose_the_disk(fleet)
    done = restore(fleet, path, "--passphrase-file", str(secret))
    assert done.returncode == 0, done.stderr
    assert "keys: put back" in done.stdout
    fleet.start_master()
    assert fleet.wait_ready(2) < 30
    assert fleet.answering() == {"web1", "web2"}
    shown = fleet.limpet_json("jobs", "show", jid)["minions"]["web2"]
    assert shown["status"] in ("expired", "ok"), shown
    time.sleep(1)
    assert ran.read_text() == "once\n"
    assert "restored from a backup" in fleet.master.log()


@pytest.mark.slow
def test_a_backup_that_is_killed_leaves_no_half_file_and_the_next_one_works(
    fleet: Fleet, tmp_path: Path
) -> None:
    path = tmp_path / "master.backup"
    chance = random.Random(7)
    cut_off = 0
    for _ in range(12):
        process = subprocess.Popen(
            [LIMPET, "--root", fleet.master.root, "master", "backup", path],
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            env=fleet.environment,
        )
        place = path.with_name(f".{path.name}.new")
        limit = time.monotonic() + 10
        while not place.exists() and process.poll() is None and time.monotonic() < limit:
            time.sleep(0.0005)
        time.sleep(chance.uniform(0, 0.02))
        process.send_signal(signal.SIGKILL)
        cut_off += process.wait(10) == -signal.SIGKILL
        if path.exists():
            whole = fleet.folder / "elsewhere"
            whole.mkdir(mode=0o700)
            done = fleet.limpet("master", "restore", str(path), "--new-key", root=whole)
            assert done.returncode == 0, done.stderr
            shutil.rmtree(whole)
            path.unlink()
    assert cut_off > 3
    made = fleet.limpet("master", "backup", str(path))
    assert made.returncode == 0, made.stderr
    assert "without keys" in made.stdout
    assert not place.exists()
    again = fleet.limpet("master", "backup", str(path))
    assert (again.returncode, "there already" in again.stderr) == (2, True)
    assert fleet.limpet("master", "backup", str(path), "--force").returncode == 0


def test_what_would_harm_is_refused_and_changes_nothing(
    fleet: Fleet, secret: Path, tmp_path: Path
) -> None:
    path = tmp_path / "master.backup"
    words = ("master", "backup", str(path), "--with-keys", "--passphrase-file", str(secret))
    assert fleet.limpet(*words).returncode == 0
    bare = tmp_path / "bare.backup"
    assert fleet.limpet("master", "backup", str(bare)).returncode == 0
    secrets = [
        kept.read_bytes().strip()
        for kept in (fleet.master.root / "state/master/keys").glob("*.secret")
    ]
    assert len(secrets) == 2
    for place in (path, bare):
        saved = b"".join(contents(place).values())
        assert not any(each in saved for each in secrets)
    assert contents(path).keys() - contents(bare).keys() == {"keys.sealed"}

    running = restore(fleet, path, "--replace")
    assert (running.returncode, "runs here already" in running.stderr) == (2, True)
    fleet.master.stop()
    there = restore(fleet, path)
    assert (there.returncode, "--replace" in there.stderr) == (2, True)
    cut = tmp_path / "cut.backup"
    cut.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert restore(fleet, cut, "--replace").returncode == 2
    fleet.start_master()
    fleet.wait_ready(2)

    lose_the_disk(fleet)
    keyless = restore(fleet, bare)
    assert (keyless.returncode, "--with-keys" in keyless.stderr) == (2, True)
    wrong = tmp_path / "wrong"
    wrong.write_text("something else\n")
    refused = restore(fleet, path, "--passphrase-file", str(wrong))
    assert (refused.returncode, "passphrase" in refused.stderr) == (2, True)
    state = fleet.master.root / "state/master"
    assert sorted(each.name for each in state.iterdir()) == ["keys", "lock"]
    assert list((state / "keys").iterdir()) == []
    assert restore(fleet, path, "--passphrase-file", str(secret)).returncode == 0
    fleet.start_master()
    fleet.wait_ready(2)


def test_a_damaged_store_is_replaced_and_the_keys_of_the_host_stay(
    fleet: Fleet, tmp_path: Path
) -> None:
    path = tmp_path / "master.backup"
    assert fleet.limpet("master", "backup", str(path)).returncode == 0
    fleet.master.stop()
    database = fleet.master.root / "state/master/store/master.db"
    database.write_bytes(b"\0" * database.stat().st_size)
    config = fleet.master.root / "master.yaml"
    config.write_text(f"{config.read_text()}log_level: debug\n")
    done = restore(fleet, path, "--replace")
    assert done.returncode == 0, done.stderr
    assert "those that are on this host stay" in done.stdout
    assert "store.before-restore-" in done.stdout
    assert "log_level: debug" in config.read_text()
    assert "debug" not in config.with_name("master.yaml.from-backup").read_text()
    fleet.start_master()
    fleet.wait_ready(2)
