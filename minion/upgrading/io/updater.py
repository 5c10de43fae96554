"""Carrying an upgrade out: the loop around the machine, and its acts on this host.

It runs in a unit of its own and from the old version's directory, so that neither the restart of
the minion nor the package manager takes anything away from it. Whatever ends it: the service
manager, or the next boot, starts it again, and it goes on from its record.
"""

import errno
import os
import time
from collections import deque
from pathlib import Path
from typing import Protocol

from limpet.common.clock import Clock, SystemClock
from limpet.common.errors import HostError
from limpet.common.observability.logs import Log
from limpet.common.packages.deb import read_facts
from limpet.minion.upgrading.io.files import UpgradeFiles
from limpet.minion.upgrading.io.layout import Installation
from limpet.minion.upgrading.io.package_manager import PackageManager
from limpet.minion.upgrading.io.verifying import digest_of
from limpet.minion.upgrading.record import Record
from limpet.minion.upgrading.upgrade import (
    LOOK_EVERY_S,
    Effect,
    End,
    Install,
    Restart,
    Restore,
    Save,
    Sight,
    Switch,
    Upgrade,
)

SAVE_AGAIN_S = 1.0
"""Between two tries to write the record where the disk is full."""
SAVE_S_MAX = 600.0


class MinionUnit(Protocol):
    """The minion's unit (`limpet.minion.upgrading.io.unit.Unit`, or a twin in a test)."""

    def restart(self, limit_s: float, *, is_forced: bool) -> str:
        """Order a restart; empty, or what went wrong."""
        ...

    def look(self) -> Sight:
        """Say how the minion is now."""
        ...


class Updater:
    """Carries one upgrade out."""

    def __init__(
        self,
        record: Record,
        files: UpgradeFiles,
        installation: Installation,
        packages: PackageManager,
        unit: MinionUnit,
        log: Log,
        *,
        clock: Clock | None = None,
    ) -> None:
        self._machine = Upgrade(record)
        self._files = files
        self._installation = installation
        self._packages = packages
        self._unit = unit
        self._log = log
        self._clock = SystemClock() if clock is None else clock

    def run(self, boot_id: str) -> Record:
        """Carry it to its end; gives the record. Raises `HostError` if that can't be written."""
        machine = self._machine
        self._carry(machine.start(self._clock.now(), boot_id))
        while not machine.is_over:
            self._carry(machine.on_sight(self._clock.now(), self._unit.look()))
            now = self._clock.now()
            if not machine.is_over and now.boot >= machine.next_deadline:
                self._carry(machine.on_deadline(now))
            if machine.is_looking:
                left_s = machine.next_deadline - self._clock.now().boot
                time.sleep(min(LOOK_EVERY_S, max(0.01, left_s)))
        return machine.record

    def _carry(self, effects: list[Effect]) -> None:
        waiting = deque(effects)
        while waiting:
            waiting.extend(self._act(waiting.popleft()))

    def _act(self, effect: Effect) -> list[Effect]:
        machine = self._machine
        match effect:
            case Save(record=record):
                self._save(record)
                self._log.info(f"upgrade: {record.summary}", phase=record.phase)
            case Install(limit_s=limit_s):
                problem = self._install(limit_s)
                current = self._installation.current()
                return machine.on_installed(self._clock.now(), problem, current)
            case Switch(directory=directory):
                problem = self._switch(directory)
                return machine.on_switched(self._clock.now(), problem)
            case Restart(is_forced=is_forced, limit_s=limit_s):
                problem = self._unit.restart(limit_s, is_forced=is_forced)
                return machine.on_restarted(self._clock.now(), problem)
            case Restore(limit_s=limit_s):
                problem = self._restore(limit_s)
                return machine.on_restored(self._clock.now(), problem)
            case End(record=record):
                self._end(record)
        return []

    def _save(self, record: Record) -> None:
        """Write the record; a full disk is waited for, as nothing may be done before it."""
        end = time.monotonic() + SAVE_S_MAX
        while True:
            try:
                self._files.save(record)
                return
            except HostError as error:
                if not _is_full(error) or time.monotonic() >= end:
                    raise
                self._log.report("error", "record", str(error))
            time.sleep(SAVE_AGAIN_S)

    def _install(self, limit_s: float) -> str:
        record = self._machine.record
        package = Path(record.package)
        try:
            if digest_of(package) != record.sha256:
                return f"{package} is damaged: it is not what was fetched"
            with open(package, "rb") as file:
                version = read_facts(file, str(package)).version
        except OSError as error:
            return f"{package} can't be read: {error.strerror}"
        except HostError as error:
            return str(error)
        problem = self._packages.install(package, limit_s)
        if problem:
            return problem
        try:
            found = self._packages.look()
        except HostError as error:
            return str(error)
        if not found.is_whole or found.version != version:
            return f"after dpkg the package is {found.status or 'gone'}, version {found.version}"
        return ""

    def _switch(self, directory: str) -> str:
        if self._installation.current() == directory:
            return ""
        try:
            self._installation.switch(directory)
        except HostError as error:
            return str(error)
        return ""

    def _restore(self, limit_s: float) -> str:
        """Install the rebuilt package unless the database names the old version as it is."""
        record = self._machine.record
        try:
            found = self._packages.look()
            if found.is_whole and found.version == record.old_version:
                return ""
            if not record.previous:
                return "there is no copy of the old package"
            problem = self._packages.install(Path(record.previous), limit_s)
            # The scripts of that package have switched `current` to the same version again; but
            # what they do is not what this relies on.
            return problem or self._switch(record.old)
        except HostError as error:
            return str(error)

    def _end(self, record: Record) -> None:
        self._files.end(record)
        if record.phase == "done":
            self._log.info(record.summary, seconds=record.seconds)
        else:
            self._log.error(record.summary)
        removed = self._installation.prune([record.old])
        if removed:
            self._log.info(f"removed versions that nothing runs: {', '.join(removed)}")


def _is_full(error: HostError) -> bool:
    cause = error.__cause__
    return isinstance(cause, OSError) and cause.errno in (errno.ENOSPC, errno.EDQUOT)


def boot_id() -> str:
    """Name this boot of this host; empty where the kernel does not tell."""
    try:
        with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
            return file.read().strip()
    except OSError:
        return ""


def own_pid_lock(files: UpgradeFiles) -> str:
    """Give the path of the lock that whoever carries an upgrade out holds."""
    return os.fspath(files.lock)
