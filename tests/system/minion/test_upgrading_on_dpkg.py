"""The acts of an upgrade with a real dpkg, on a database of their own in a directory."""

import json
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import pytest

from limpet.common.clock import Instant, Moment
from limpet.common.errors import HostError
from limpet.common.observability.logs import Level, Log
from limpet.common.packages.deb import read_facts
from limpet.minion.upgrading.io import updater as updaters
from limpet.minion.upgrading.io.files import UpgradeFiles
from limpet.minion.upgrading.io.last import last_word
from limpet.minion.upgrading.io.layout import version_of
from limpet.minion.upgrading.io.rebuilding import PackageRebuilder
from limpet.minion.upgrading.io.request import UpgradesOfMinion, keep_package, kept_version
from limpet.minion.upgrading.io.updater import Updater
from limpet.minion.upgrading.io.verifying import check_package, check_room, digest_of
from limpet.minion.upgrading.record import Record
from limpet.states.ports.upgrades import Wanted
from support.packaging.scratch_package import PRISTINE, SETTINGS, ScratchHost, ScratchUnit

pytestmark = [
    pytest.mark.skipif(os.geteuid() != 0, reason="dpkg installs only as root"),
    pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg is not here"),
]
FAILS = "#!/bin/sh\necho 'this one fails' >&2\nexit 1\n"


class QuickClock:
    """Half a second passes at each look, without anybody waiting for it."""

    def __init__(self) -> None:
        self._now = time.time()

    def now(self) -> Moment:
        self._now += 0.5
        return Moment(Instant(self._now), self._now)


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ScratchHost:
    """Give a host on which version 1.0 is installed."""
    monkeypatch.setattr(updaters, "LOOK_EVERY_S", 0.0)
    host = ScratchHost(tmp_path)
    assert host.packages.install(host.build("1.0"), 60.0) == ""
    assert host.installation.current() == "1.0-build"
    return host


def upgrade(host: ScratchHost, package: Path, *, sha256: str = "") -> tuple[Record, ScratchUnit]:
    """Carry an upgrade to a package file out, as the job and the updater do."""
    files = UpgradeFiles(host.state)
    files.prepare()
    kept = keep_package(files, host.installation, host.packages)
    assert kept == "1.0"
    shutil.copy(package, files.package)
    record = Record(
        id="0123456789abcdef",
        kind="package",
        phase="prepared",
        old="1.0-build",
        old_version="1.0",
        new_version="2.0",
        package=str(files.package),
        sha256=sha256 or digest_of(files.package),
        previous=str(files.previous),
        boot_id="this",
        started_s=time.time(),
    )
    files.begin(record, host.installation.directory(record.old))
    unit = ScratchUnit(host)
    log = Log(level=Level.QUIET)
    made = Updater(record, files, host.installation, host.packages, unit, log, clock=QuickClock())
    return made.run("this"), unit


def database(host: ScratchHost) -> tuple[str, str]:
    found = host.packages.look()
    return found.status, found.version


def test_a_package_is_installed_and_the_old_version_stays_for_whoever_runs_it(
    host: ScratchHost,
) -> None:
    ended, unit = upgrade(host, host.build("2.0"))
    assert ended.phase == "done"
    assert ended.new == "2.0-build"
    assert unit.restarts == 1
    assert database(host) == ("install ok installed", "2.0")
    assert host.installation.names() == ["1.0-build", "2.0-build"]
    files = UpgradeFiles(host.state)
    assert files.load() is None
    assert not files.package.exists()
    assert files.load_last() == ended
    assert last_word(host.state) == ""


@pytest.mark.covers("D3")
def test_a_broken_version_is_taken_back_with_its_package(host: ScratchHost) -> None:
    (host.root / SETTINGS.lstrip("/")).write_text("id: web1\n")
    ended, unit = upgrade(host, host.build("2.0", manner="bad"))
    assert ended.phase == "back"
    assert unit.restarts == 2
    assert host.installation.current() == "1.0-build"
    assert database(host) == ("install ok installed", "1.0")
    assert host.installation.names() == ["1.0-build"], "the broken one is gone"
    assert (host.root / SETTINGS.lstrip("/")).read_text() == "id: web1\n"
    assert last_word(host.state).startswith("rolled back to 1.0: it ended")


@pytest.mark.parametrize("script", ["preinst", "postinst"])
def test_a_package_whose_script_fails_is_taken_back_and_nothing_is_restarted(
    host: ScratchHost, script: str
) -> None:
    ended, unit = upgrade(host, host.build("2.0", **{script: FAILS}))  # type: ignore[arg-type]
    assert ended.phase == "back"
    assert "this one fails" in ended.reason or "error exit status 1" in ended.reason
    assert unit.restarts == 0
    assert database(host) == ("install ok installed", "1.0")
    assert host.installation.current() == "1.0-build"


def test_a_package_file_that_was_damaged_since_it_was_fetched_is_not_installed(
    host: ScratchHost,
) -> None:
    ended, unit = upgrade(host, host.build("2.0"), sha256="0" * 64)
    assert ended.phase == "back"
    assert "is damaged" in ended.reason
    assert not any("--install" in words and "package.deb" in words for words in host.ran)
    assert unit.restarts == 0


def test_a_script_that_hangs_is_ended_and_the_package_taken_back(
    host: ScratchHost, monkeypatch: pytest.MonkeyPatch
) -> None:
    install = host.packages._install
    monkeypatch.setattr(host.packages, "_install", lambda path, _s: install(path, 3.0))
    ended, _ = upgrade(host, host.build("2.0", postinst="#!/bin/sh\nexec sleep 600\n"))
    assert ended.phase == "back"
    assert "dpkg had not ended after 3 s and was stopped" in ended.reason
    assert database(host) == ("install ok installed", "1.0")


def test_a_lock_that_somebody_holds_is_waited_for(host: ScratchHost) -> None:
    lock = host.database / "lock-frontend"
    text = (
        "import fcntl, sys, time\n"
        f"file = open({str(lock)!r}, 'w'); fcntl.lockf(file, fcntl.LOCK_EX)\n"
        "print('held', flush=True); time.sleep(float(sys.argv[1]))\n"
    )
    package = host.build("2.0")
    for held_s, problem in (("1", ""), ("60", "dpkg's lock is held by python")):
        words = [sys.executable, "-c", text, held_s]
        with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as holder:
            assert holder.stdout is not None
            assert holder.stdout.readline() == "held\n"
            said = host.packages.install(package, 60.0, lock_s=2.0)
            holder.kill()
        assert said.startswith(problem), said
        assert bool(said) == bool(problem)


def test_the_rebuilt_package_is_what_was_installed(host: ScratchHost, tmp_path: Path) -> None:
    settings = host.root / SETTINGS.lstrip("/")
    settings.write_text("id: web1\n")
    kept = tmp_path / "kept.deb"
    rebuilder = PackageRebuilder(host.installation, database=host.database, root=host.root)
    listed = host.database / "info/limpet-minion.list"
    listed.write_text(f"{listed.read_text()}/usr/share/doc/limpet-minion/left-out\n")
    assert rebuilder.keep(kept) == "1.0"

    def told(option: str, path: Path) -> str:
        words = ["dpkg-deb", option, str(path)]
        return subprocess.run(words, check=True, capture_output=True, text=True).stdout

    assert told("--contents", kept).count("\n") + 1 == told(
        "--contents", host.made / "1.0.deb"
    ).count("\n"), "all but the root directory"
    for name in ("Version", "Limpet-Protocol", "Limpet-Journal-Format", "Description"):
        assert f"{name}:" in told("--info", kept)
    out = tmp_path / "out"
    subprocess.run(["dpkg-deb", "-R", str(kept), str(out)], check=True)
    assert (out / SETTINGS.lstrip("/")).read_text() == PRISTINE
    assert (out / SETTINGS.lstrip("/")).stat().st_mode & 0o777 == 0o600
    assert (out / "DEBIAN/conffiles").read_text() == f"{SETTINGS}\n"
    assert (out / "DEBIAN/postinst").stat().st_mode & 0o111
    assert os.readlink(out / "opt/limpet/minion/payload/link") == "manner"
    assert host.packages.install(kept, 60.0) == ""
    assert settings.read_text() == "id: web1\n"


def test_a_package_with_files_that_are_not_its_own_is_not_kept(host: ScratchHost) -> None:
    program = host.root / "opt/limpet/minion/payload/bin/limpet"
    program.unlink()  # not written to: the version's directory has the same file
    program.write_text("half of another version")
    sums = host.database / "info/limpet-minion.md5sums"
    sums.write_text(f"{'0' * 32}  opt/limpet/minion/payload/bin/limpet\n")
    files = UpgradeFiles(host.state)
    with pytest.raises(HostError, match="is not as limpet-minion brought it"):
        keep_package(files, host.installation, host.packages)
    assert not files.previous.exists()


def test_the_packages_own_script_keeps_what_is_there_before_it_is_replaced(
    host: ScratchHost,
) -> None:
    """dpkg calls the package half-installed by then."""
    found = host.made / "status"
    script = f"#!/bin/sh\ndpkg-query --admindir={host.database} -s limpet-minion >{found}\nexit 1\n"
    assert host.packages.install(host.build("2.0", preinst=script), 60.0) != ""
    assert "half-installed" in found.read_text()
    assert "Version: 1.0" in found.read_text()


def test_what_was_given_up_is_not_kept_in_place_of_what_runs(host: ScratchHost) -> None:
    files = UpgradeFiles(host.state)
    rebuilder = PackageRebuilder(host.installation, database=host.database, root=host.root)
    files.prepare()
    rebuilder.keep(files.previous)
    assert host.packages.install(host.build("2.0"), 60.0) == ""
    host.installation.switch("1.0-build")  # as the guard goes back
    assert keep_package(files, host.installation, host.packages) == "1.0"
    assert kept_version(files) == "1.0"


# --- what is refused before anything is changed -------------------------------------------------


def check(host: ScratchHost, package: Path, *, protocol: tuple[int, int] = (1, 2)) -> None:
    check_package(
        package,
        digest_of(package),
        architecture="amd64",
        journal=host.state / "journal",
        protocol=protocol,
        shown="the package",
    )


def test_a_version_that_reads_older_journals_only_is_refused_with_what_to_do(
    host: ScratchHost,
) -> None:
    journal = host.state / "journal"
    journal.mkdir()
    package = host.build("0.9", journal_format=1)
    check(host, package)
    (journal / "journal-1").write_bytes(b"limpet-journal-2" + bytes(100))
    with pytest.raises(HostError, match=r"has format 2.*choose a newer version") as caught:
        check(host, package)
    assert "move" in str(caught.value)
    check(host, host.build("3.0", journal_format=2))


def test_a_version_that_the_master_would_not_let_in_is_refused(host: ScratchHost) -> None:
    package = host.build("2.0")
    check(host, package, protocol=(2, 3))
    with pytest.raises(HostError, match="with a newer package"):
        check(host, package, protocol=(3, 4))
    with pytest.raises(HostError, match="upgrade the master first"):
        check(host, host.build("9.0", protocol="8-9"))


def test_a_disk_without_room_is_found_before_anything_is_changed(host: ScratchHost) -> None:
    package = host.build("2.0")
    with open(package, "rb") as file:
        facts = read_facts(file, "the package")
    check_room(facts, package, host.installation.base)
    huge = msgspec.structs.replace(facts, installed_kib=1 << 36)
    with pytest.raises(HostError, match="no room for the new version"):
        check_room(huge, package, host.installation.base)


def test_a_minion_that_is_no_installed_package_is_told_so(tmp_path: Path) -> None:
    upgrades = UpgradesOfMinion(tmp_path)
    with pytest.raises(HostError, match="was not installed by the package limpet-minion"):
        upgrades.raise_if_impossible()
    assert upgrades.last() == {}


# --- the job's side -----------------------------------------------------------------------------


def of_minion(host: ScratchHost, systemd: Path) -> UpgradesOfMinion:
    return UpgradesOfMinion(
        host.state,
        installation=host.installation,
        packages=host.packages,
        program=host.installation.directory("1.0-build") / "bin/python3.11",
        run=host.run,
        systemd=systemd,
    )


def test_the_job_begins_an_upgrade_and_tells_its_outcome(
    host: ScratchHost, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrades = of_minion(host, tmp_path)
    upgrades.raise_if_impossible()
    package = host.build("2.0")
    shutil.copy(package, upgrades.incoming())
    run = host.run

    def running(words: list[str], additions: dict[str, str], limit_s: float) -> object:
        ran = run(words, additions, limit_s)
        if words[0] == "systemd-run":  # the unit would carry it out meanwhile
            assert words[-2:] == ["minion", "upgrade-resume"]
            assert Path(words[-3]).parent.parent.name == "1.0-build", "the old version's program"
            files = UpgradeFiles(host.state)
            assert os.path.realpath(files.program) == str(host.installation.directory("1.0-build"))
            record = files.load()
            assert record is not None
            unit, log = ScratchUnit(host), Log(level=Level.QUIET)
            made = Updater(
                record, files, host.installation, host.packages, unit, log, clock=QuickClock()
            )
            made.run(record.boot_id)
        return ran

    monkeypatch.setattr(upgrades, "_run", running)
    ended = upgrades.run(upgrades.incoming(), Wanted(digest_of(package), "it", 60.0))
    assert (ended.old, ended.new) == ("1.0", "2.0")
    assert upgrades.last()["phase"] == "done"
    shutil.copy(package, upgrades.incoming())
    monkeypatch.setattr(
        upgrades, "_program", host.installation.directory("2.0-build") / "bin/python3.11"
    )
    again = upgrades.run(upgrades.incoming(), Wanted(digest_of(package), "it", 60.0))
    assert (again.old, again.new, again.seconds) == ("2.0", "2.0", 0.0)
    assert not upgrades.incoming().exists()


def test_one_upgrade_at_a_time(host: ScratchHost, tmp_path: Path) -> None:
    files = UpgradeFiles(host.state)
    record = Record(
        id="a", kind="guard", phase="proving", old="1.0-build", old_version="1.0", new_version="2.0"
    )
    files.begin(record, host.installation.directory("1.0-build"))
    with pytest.raises(HostError, match=r"upgrade from 1\.0 to 2\.0: proving"):
        of_minion(host, tmp_path).raise_if_impossible()


def test_two_jobs_do_not_meet_at_the_same_files(host: ScratchHost, tmp_path: Path) -> None:
    first, second = of_minion(host, tmp_path), of_minion(host, tmp_path)
    first.raise_if_impossible()
    second.raise_if_impossible()
    assert first.incoming() == first.incoming()
    with pytest.raises(HostError, match="is being upgraded already"):
        second.incoming()


def test_an_upgrade_by_somebody_else_that_began_meanwhile_is_left_alone(
    host: ScratchHost, tmp_path: Path
) -> None:
    upgrades, files = of_minion(host, tmp_path), UpgradeFiles(host.state)
    shutil.copy(host.build("2.0"), upgrades.incoming())
    record = Record(
        id="a", kind="guard", phase="proving", old="1.0-build", old_version="1.0", new_version="2.0"
    )
    files.begin(record, host.installation.directory("1.0-build"))
    with pytest.raises(HostError, match=r"upgrade from 1\.0 to 2\.0: proving"):
        upgrades.run(upgrades.incoming(), Wanted(digest_of(files.package), "it", 60.0))
    assert files.load() == record
    files.end(record)
    assert files.package.exists(), "the guard's end is not the end of the job's file"


def test_a_record_that_can_not_be_read_is_moved_away(host: ScratchHost) -> None:
    files = UpgradeFiles(host.state)
    files.prepare()
    files.record.write_text(json.dumps({"id": 5}))
    with pytest.raises(HostError, match="can't be read"):
        files.load()
    files.set_aside()
    assert files.load() is None


def test_versions_go_unless_somebody_needs_them(host: ScratchHost) -> None:
    versions = host.installation.versions
    for name in ("0.7-x", "0.8-x", "0.9-x", ".new-1"):
        (versions / name / "bin").mkdir(parents=True)
    program = versions / "0.9-x/bin/sleep"
    shutil.copy("/bin/sleep", program)
    with subprocess.Popen([program, "60"]) as process:
        assert host.installation.running(process.pid) == "0.9-x"
        assert host.installation.prune(["0.8-x"]) == ["0.7-x"]
        process.kill()
    assert host.installation.names() == ["0.8-x", "0.9-x", "1.0-build"]
    assert version_of("1.0-2-build") == "1.0-2"
    assert host.installation.find("1.0") == "1.0-build"
    with pytest.raises(HostError, match="no versions directory"):
        host.installation.find("7.0")
