"""dpkg, as an upgrade needs it: what is installed, install this file, each with a deadline.

The lock that package managers share is taken here and waited for, so that dpkg itself never meets
one that is held; who holds it is said by name.
"""

import fcntl
import os
import struct
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final, NamedTuple

from limpet.common.errors import HostError
from limpet.common.packages.deb import parse_control
from limpet.minion.upgrading.io import programs

PACKAGE: Final = "limpet-minion"
LOCK_S_MAX: Final = 300.0
"""How long another package manager is waited for."""
LOCK_PAUSE_S: Final = 0.5
QUERY_S_MAX: Final = 30.0
ENVIRONMENT: Final = {
    "DEBIAN_FRONTEND": "noninteractive",
    "DEBCONF_NONINTERACTIVE_SEEN": "true",
    "LIMPET_UPGRADE": "1",
    "NEEDRESTART_SUSPEND": "1",
}
"""With `LIMPET_UPGRADE` the package's scripts restart nothing: that is this program's business."""

_USUAL: Final = (
    "(Reading database",
    "Selecting previously",
    "Preparing to unpack",
    "Unpacking ",
    "Setting up ",
    "Errors were encountered",
    "dpkg: warning: downgrading",
)
_LOCK: Final = struct.Struct("hhqqi4x")


class Installed(NamedTuple):
    """What the package database says of the minion's package."""

    version: str
    """Empty: it is not there."""
    status: str
    """`install ok installed` where all is well."""

    @property
    def is_whole(self) -> bool:
        """Say whether it is installed and configured."""
        return self.status == "install ok installed"


class PackageManager:
    """dpkg on this host."""

    def __init__(
        self,
        *,
        database: Path = Path("/var/lib/dpkg"),
        root: Path = Path("/"),
        run: programs.Run = programs.run,
    ) -> None:
        """`root` is where packages put their files; other than `/` in tests."""
        self.database = database
        self.root = root
        self._run = run

    def look(self) -> Installed:
        """Say what is installed. Raises `HostError` where dpkg does not answer."""
        ran = self._run(["dpkg-query", "--status", PACKAGE], {}, QUERY_S_MAX)
        if ran.is_late:
            raise HostError(f"dpkg-query did not answer within {QUERY_S_MAX:g} s")
        if ran.code != 0:
            return Installed("", "")
        fields = parse_control(ran.output)
        return Installed(fields.get("version", ""), fields.get("status", ""))

    def architecture(self) -> str:
        """Name the architecture of this host. Raises `HostError`."""
        ran = self._run(["dpkg", "--print-architecture"], {}, QUERY_S_MAX)
        if ran.code != 0:
            raise HostError(f"dpkg does not name this host's architecture: {ran.last_lines}")
        return ran.output.strip()

    def install(self, package: Path, limit_s: float, *, lock_s: float = LOCK_S_MAX) -> str:
        """Install a package file, its configuration files kept; empty, or what went wrong."""
        try:
            with self._locked(lock_s):
                return self._install(package, limit_s)
        except HostError as error:
            return str(error)

    def _install(self, package: Path, limit_s: float) -> str:
        words = ["dpkg", "--force-confdef", "--force-confold", "--install", str(package)]
        additions = {**ENVIRONMENT, "DPKG_FRONTEND_LOCKED": "true"}
        ran = self._run(words, additions, limit_s)
        if ran.is_late:
            return f"dpkg had not ended after {limit_s:g} s and was stopped: {_said(ran.output)}"
        if ran.code != 0:
            return f"dpkg failed ({ran.code}): {_said(ran.output)}"
        return ""

    @contextmanager
    def _locked(self, lock_s: float) -> Iterator[None]:
        """Hold the lock of all package managers. Raises `HostError` naming who has it."""
        path = self.database / "lock-frontend"
        try:
            descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o640)
        except OSError as error:
            raise HostError(f"{path} can't be opened: {error.strerror}") from error
        end = time.monotonic() + lock_s
        try:
            while True:
                try:
                    fcntl.lockf(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                    break
                except BlockingIOError:
                    if time.monotonic() >= end:
                        raise HostError(
                            f"dpkg's lock is held by {_holder(descriptor)} for more than "
                            f"{lock_s:g} s: try again when it is done"
                        ) from None
                time.sleep(LOCK_PAUSE_S)
            yield
        finally:
            os.close(descriptor)


def _said(output: str) -> str:
    """Give what dpkg and the package's scripts complained of, without what they report always."""
    lines = [line.strip() for line in output.splitlines()]
    told = [line for line in lines if line and line != PACKAGE and not line.startswith(_USUAL)]
    return "; ".join(told[-4:])[-600:]


def _holder(descriptor: int) -> str:
    """Name the process that holds the lock."""
    asked = _LOCK.pack(fcntl.F_WRLCK, os.SEEK_SET, 0, 0, 0)
    pid = _LOCK.unpack(fcntl.fcntl(descriptor, fcntl.F_GETLK, asked))[4]
    try:
        name = Path(f"/proc/{pid}/comm").read_text(encoding="utf-8").strip()
    except (OSError, UnicodeDecodeError):
        return f"process {pid}"
    return f"{name} (process {pid})"
