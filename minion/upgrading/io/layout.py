"""Where the package keeps the versions of its program: `/opt/limpet/minion`.

    payload/            owned by the package manager, never run
    versions/NAME/      what runs: NAME is VERSION-BUILD; made of the payload by hard links
    current             link to one of them, switched by a rename

A process keeps the directory that it was started from, whatever becomes of `current`.
"""

import os
import shutil
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path
from typing import Final

from limpet.common.errors import HostError
from limpet.common.storage.files import host_error, sync_directory

BASE: Final = Path("/opt/limpet/minion")


class Installation:
    """The installed program."""

    def __init__(self, base: Path = BASE, processes: Path = Path("/proc")) -> None:
        self.base = base
        self.versions = base / "versions"
        self.link = base / "current"
        self._processes = processes

    def directory(self, name: str) -> Path:
        """Give the directory of a version, by its name."""
        return self.versions / name

    def names(self) -> list[str]:
        """List the versions that there are, sorted."""
        try:
            found = [each.name for each in self.versions.iterdir() if each.is_dir()]
        except FileNotFoundError:
            return []
        except OSError as error:
            raise host_error("list", self.versions, error) from error
        return sorted(name for name in found if not name.startswith("."))

    def find(self, text: str) -> str:
        """Give the name that a person or a script means: a whole name, or a version.

        Raises `HostError` where there is none, or more than one.
        """
        names = self.names()
        if text in names:
            return text
        fitting = [name for name in names if name.rpartition("-")[0] == text]
        if len(fitting) != 1:
            what = "several versions directories" if fitting else "no versions directory"
            raise HostError(f"{what} of {text!a} below {self.versions}: {', '.join(names)}")
        return fitting[0]

    def current(self) -> str:
        """Name the version that `current` leads to; empty: none."""
        try:
            target = os.readlink(self.link)
        except OSError:
            return ""
        return Path(target).name

    def switch(self, name: str) -> None:
        """Let `current` lead to a version, durably. Raises `HostError`."""
        if not self.directory(name).is_dir():
            raise HostError(f"{self.directory(name)} is not there: `current` is left as it is")
        new = self.base / ".current.new"
        try:
            new.unlink(missing_ok=True)
            new.symlink_to(Path("versions") / name)
            new.rename(self.link)
            sync_directory(self.base)
        except OSError as error:
            raise host_error("switch", self.link, error) from error

    def running(self, pid: int) -> str:
        """Name the version that a process was started from; empty: none of these, or it is gone."""
        try:
            program = os.readlink(self._processes / str(pid) / "exe")
        except OSError:
            return ""
        return self.of_program(Path(program.removesuffix(" (deleted)")))

    def of_program(self, program: Path) -> str:
        """Name the version that a program's file belongs to; empty: none of these."""
        for place in (self.versions, Path(os.path.realpath(self.versions))):  # the kernel's name
            with suppress(ValueError, IndexError):
                return program.relative_to(place).parts[0]
        return ""

    def in_use(self) -> set[str]:
        """Name the versions that processes run from. Raises `HostError` where it can't be told."""
        try:
            return {
                self._run_by(each) for each in self._processes.iterdir() if each.name.isdigit()
            } - {""}
        except OSError as error:
            raise host_error("tell what runs from", self._processes, error) from error

    def _run_by(self, process: Path) -> str:
        try:
            program = os.readlink(process / "exe")
        except (FileNotFoundError, ProcessLookupError, PermissionError):
            return ""  # gone; of the kernel; a container's init, which not even root may look at
        return self.of_program(Path(program.removesuffix(" (deleted)")))

    def prune(self, keep: Iterable[str]) -> list[str]:
        """Remove versions that are neither current, nor kept, nor run; give their names.

        What can't be removed is left for the next time; all is, where nobody can say what is run.
        """
        try:
            kept = {*keep, self.current(), *self.in_use()}
        except HostError:
            return []
        removed = [name for name in self.names() if name not in kept]
        for name in removed:
            shutil.rmtree(self.directory(name), ignore_errors=True)
        return removed


def version_of(name: str) -> str:
    """Give the version in a directory's name."""
    return name.rpartition("-")[0] or name
