"""What a job does of an upgrade: look whether it is possible, begin it, wait for its outcome.

The job's processes run from the old version's directory and outlive the restart of the minion, so
the job itself can say how it ended. What carries the upgrade out is a unit of its own
(`updater.py`), told by the record alone.
"""

import os
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

import msgspec

from limpet.common.errors import HostError, UsageError
from limpet.common.service.locks import InstanceLock
from limpet.minion.upgrading.io import programs
from limpet.minion.upgrading.io.files import UpgradeFiles
from limpet.minion.upgrading.io.layout import Installation, version_of
from limpet.minion.upgrading.io.package_manager import LOCK_S_MAX, PACKAGE, PackageManager
from limpet.minion.upgrading.io.rebuilding import PackageRebuilder
from limpet.minion.upgrading.io.unit import UNIT
from limpet.minion.upgrading.io.updater import boot_id
from limpet.minion.upgrading.io.verifying import check_package, check_room
from limpet.minion.upgrading.record import Record
from limpet.minion.upgrading.upgrade import INSTALL_S_MAX, MASTER_AWAY_S_MAX
from limpet.states.ports.upgrades import Upgraded, Wanted

RUN_UNIT: Final = "limpet-minion-upgrade-run"
START_S_MAX: Final = 30.0
LOOK_S: Final = 0.25
WAIT_S_MAX: Final = 2 * (INSTALL_S_MAX + LOCK_S_MAX + MASTER_AWAY_S_MAX)
"""How long a job waits for an outcome, besides the time to be READY, twice."""
SYSTEMD: Final = Path("/run/systemd/system")


class UpgradesOfMinion:
    """The real one behind `limpet.states.ports.upgrades.Upgrades`."""

    def __init__(
        self,
        state_directory: Path,
        *,
        installation: Installation | None = None,
        packages: PackageManager | None = None,
        program: Path | None = None,
        run: programs.Run = programs.run,
        systemd: Path = SYSTEMD,
    ) -> None:
        """Everything but the state directory is what it is on a host; tests hand in their own."""
        self._files = UpgradeFiles(state_directory)
        self._journal = state_directory / "journal"
        self._installation = Installation() if installation is None else installation
        self._packages = PackageManager(run=run) if packages is None else packages
        self._program = Path(sys.executable) if program is None else program
        self._run = run
        self._systemd = systemd
        self._lock: InstanceLock | None = None

    def raise_if_impossible(self) -> None:
        """Raise where this minion can't be upgraded so; see `Upgrades`."""
        if not self._installation.of_program(self._program):
            raise HostError(
                f"this minion was not installed by the package {PACKAGE} (it runs from "
                f"{self._program}): upgrade it in the way in which it was installed"
            )
        if not self._systemd.is_dir():
            raise HostError("this host is not run by systemd, which has to restart the minion")
        if not self._packages.look().version:
            raise HostError(f"dpkg does not know the package {PACKAGE} on this host: install it")
        if self._run(["systemctl", "is-active", "--quiet", UNIT], {}, START_S_MAX).code != 0:
            raise HostError(
                f"{UNIT} does not run; this minion was started by hand, and nobody would start "
                "the new version"
            )
        self._raise_if_under_way()

    def _raise_if_under_way(self) -> None:
        under_way = self._files.load()
        if under_way is not None:
            raise HostError(
                f"{under_way.summary} (since {time.ctime(under_way.started_s)}): wait for its end; "
                "where nothing carries it on, `limpet minion upgrade-resume` does"
            )

    def incoming(self) -> Path:
        """Give where the package file has to be put.

        From here to the end of the job no other one may: they would meet at the same files.
        """
        self._files.prepare()
        if self._lock is None:
            try:
                self._lock = InstanceLock(self._files.job_lock, "another job that upgrades it")
            except UsageError as error:
                raise HostError(f"this minion is being upgraded already: {error}") from error
            self._raise_if_under_way()
        return self._files.package

    def run(self, package: Path, wanted: Wanted) -> Upgraded:
        """Install it and wait for the outcome; see `Upgrades`."""
        old = self._installation.of_program(self._program)
        try:
            facts = check_package(
                package,
                wanted.sha256,
                architecture=self._packages.architecture(),
                journal=self._journal,
                protocol=(wanted.protocol_min, wanted.protocol_max),
                shown=wanted.shown,
            )
            if facts.version == version_of(old):
                package.unlink(missing_ok=True)
                return Upgraded(facts.version, facts.version, 0.0)
            check_room(facts, package, self._installation.versions)
            record = Record(
                id=os.urandom(8).hex(),
                kind="package",
                phase="prepared",
                old=old,
                old_version=version_of(old),
                new_version=facts.version,
                package=str(package),
                sha256=wanted.sha256,
                previous=self._kept(version_of(old)),
                ready_timeout_s=wanted.ready_timeout_s,
                jid=wanted.jid,
                boot_id=boot_id(),
                started_s=round(time.time(), 3),
            )
        except HostError:
            package.unlink(missing_ok=True)
            raise
        self._begin(record)
        return self._outcome(record)

    def last(self) -> Mapping[str, Any]:
        """Tell of the upgrade that is under way, else of the last one."""
        found = self._files.load() or self._files.load_last()
        if found is None:
            return {}
        told: dict[str, Any] = msgspec.to_builtins(found)
        for key in ("package", "previous", "sha256", "boot_id"):
            told.pop(key)
        return {**told, "summary": found.summary}

    def _kept(self, version: str) -> str:
        """Rebuild the installed package; empty where the database names another version."""
        kept = keep_package(self._files, self._installation, self._packages)
        return str(self._files.previous) if kept == version else ""

    def _begin(self, record: Record) -> None:
        directory = self._installation.directory(record.old)
        try:
            with InstanceLock(self._files.lock, "an upgrade of this minion"):
                self._raise_if_under_way()  # apt may have begun one since this job looked
                self._files.begin(record, directory)
        except UsageError as error:
            raise HostError(f"this minion is being upgraded already: {error}") from error
        words = [
            "systemd-run",
            "--quiet",
            "--collect",
            "--no-block",
            f"--unit={RUN_UNIT}",
            f"--description=limpet minion: upgrade to {record.new_version}",
            "--property=Restart=on-failure",
            "--property=RestartSec=5",
            "--property=OOMScoreAdjust=-500",
            "--",
            str(directory / "bin" / "limpet"),
            "minion",
            "upgrade-resume",
        ]
        ran = self._run(words, {}, START_S_MAX)
        if ran.code != 0 or ran.is_late:
            self._files.end(
                msgspec.structs.replace(record, phase="back", reason="it could not be begun")
            )
            raise HostError(f"the upgrade can't be begun: systemd-run: {ran.last_lines}")

    def _outcome(self, record: Record) -> Upgraded:
        end = time.monotonic() + WAIT_S_MAX + 2 * record.ready_timeout_s
        found: Record | None = record
        while time.monotonic() < end:
            found = self._files.find(record.id)
            if found is None:
                raise HostError(f"the record of the upgrade is gone from {self._files.directory}")
            if found.phase == "done":
                return Upgraded(found.old_version, found.new_version, found.seconds, found.notices)
            if found.is_final:
                raise HostError(found.summary)
            time.sleep(LOOK_S)
        where = "nowhere" if found is None else found.phase
        raise HostError(
            f"the upgrade has not ended after {WAIT_S_MAX:g} s (it is {where}): "
            f"`journalctl -u {RUN_UNIT}` on the host says why"
        )


def keep_package(files: UpgradeFiles, installation: Installation, packages: PackageManager) -> str:
    """Rebuild the installed package if it is what runs; gives the version that is kept now.

    A database that names another version than `current` (one that was given up) has nothing to go
    back to: what was kept earlier stays. Raises `HostError`.
    """
    files.prepare()
    # Whole or not: the package's own script asks when dpkg has called it half-installed already.
    if packages.look().version == version_of(installation.current()):
        rebuilder = PackageRebuilder(installation, database=packages.database, root=packages.root)
        return rebuilder.keep(files.previous)
    return kept_version(files)


def kept_version(files: UpgradeFiles) -> str:
    """Give the version of the package that is kept; empty: none, or it is damaged."""
    from limpet.common.packages.deb import read_facts

    try:
        with open(files.previous, "rb") as file:
            return read_facts(file, str(files.previous)).version
    except (OSError, HostError):
        return ""
