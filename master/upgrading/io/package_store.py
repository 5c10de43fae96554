"""The store of packages on the master's disk: `STATE/packages/SHA256.deb`, few and bounded.

    offered ─▶ pieces, in order, into .SHA256.part ─▶ whole ─▶ digest and control data ─▶ kept

A package that comes in pieces may come from several clients, or be cut off and begun again: its
name is its digest, and the next piece is the one that begins where the file ends. Blocks on the
disk; the caller has a thread for it. What is wrong with a package is `HostError`, for the person.
"""

import errno
import hashlib
import os
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from limpet.common.control.packages import PackageInfo
from limpet.common.errors import HostError
from limpet.common.messages.fields import PROTOCOL_MAX, PROTOCOL_MIN
from limpet.common.packages.deb import PACKAGE_BYTES_MAX, PackageFacts, read_facts
from limpet.common.storage.files import host_error, make_directory, sync_directory

KEPT_MAX: Final = 10
KEPT_BYTES_MAX: Final = 1024 * 1024 * 1024
"""Of all packages together; the ones that were used longest ago make room."""
PART_AGE_S_MAX: Final = 3600.0
"""A package that has not grown for so long is not waited for."""
PARTS_MAX: Final = 4
SPARE_BYTES: Final = 64 * 1024 * 1024
"""What a package leaves free on the master's disk: returns and jobs need it more."""
PACKAGE: Final = "limpet-minion"

_KEPT: Final = re.compile(r"([0-9a-f]{64})\.deb")
_PART: Final = re.compile(r"\.([0-9a-f]{64})\.part")
_BLOCK_BYTES: Final = 1024 * 1024


class PackageStore:
    """The packages of one master; for one thread."""

    def __init__(
        self,
        directory: Path,
        *,
        kept_max: int = KEPT_MAX,
        bytes_max: int = KEPT_BYTES_MAX,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self.directory = directory
        self._kept_max = kept_max
        self._bytes_max = bytes_max
        self._wall = wall
        self._facts: dict[str, PackageFacts] = {}

    def offer(self, sha256: str, size: int) -> PackageInfo | int:
        """Give the package if it is here, else from which byte on it is wanted.

        One that is here is read through: a power cut may have damaged it since it came.
        """
        if not 0 < size <= PACKAGE_BYTES_MAX:
            raise HostError(f"a package of {size} bytes is not taken: {PACKAGE_BYTES_MAX} at most")
        make_directory(self.directory)
        if self._is_whole(sha256):
            os.utime(self._path(sha256), (self._wall(), self._wall()))
            return self._info(sha256)
        self._make_room_for_part(sha256)
        part = self._part(sha256)
        try:
            have = part.stat().st_size
        except FileNotFoundError:
            have = 0
        if have >= size:  # the process ended before it could be looked at
            return self._finish(sha256, part)
        free = os.statvfs(self.directory)
        if free.f_bavail * free.f_frsize < size - have + SPARE_BYTES:
            raise HostError(
                f"no room for a package of {size} bytes in {self.directory}: make room there"
            )
        return have

    def add(self, sha256: str, size: int, offset: int, data: bytes) -> PackageInfo | int:
        """Take the piece at `offset`; give the package when it is whole, else what is wanted next.

        A piece that does not begin where the file ends changes nothing.
        """
        if self._path(sha256).exists():
            return self._info(sha256)
        part = self._part(sha256)
        try:
            with open(part, "ab") as file:
                have = file.tell()
                if offset != have or have + len(data) > size or size > PACKAGE_BYTES_MAX:
                    return min(have, size)
                file.write(data)
                file.flush()
                have += len(data)
                if have == size:
                    os.fsync(file.fileno())
        except OSError as error:
            part.unlink(missing_ok=True)  # what it held is needed more by others
            raise host_error("keep the package in", part, error) from error
        return have if have < size else self._finish(sha256, part)

    def listing(self) -> list[PackageInfo]:
        """Give all packages, the newest first; one that is damaged is taken away."""
        found: list[PackageInfo] = []
        for sha256 in self._kept():
            try:
                found.append(self._info(sha256))
            except (HostError, FileNotFoundError):
                self._path(sha256).unlink(missing_ok=True)
        return sorted(found, key=lambda each: -each.kept_s)

    # --- inside -------------------------------------------------------------------------------

    def _path(self, sha256: str) -> Path:
        return self.directory / f"{sha256}.deb"

    def _part(self, sha256: str) -> Path:
        return self.directory / f".{sha256}.part"

    def _kept(self) -> list[str]:
        try:
            names = os.listdir(self.directory)
        except FileNotFoundError:
            return []
        except OSError as error:
            raise host_error("list", self.directory, error) from error
        return [found[1] for name in names if (found := _KEPT.fullmatch(name))]

    def _is_whole(self, sha256: str) -> bool:
        """Say whether the package is here as it came; one that was damaged is taken away."""
        path = self._path(sha256)
        try:
            if _digest(path) == sha256:
                return True
        except FileNotFoundError:
            return False
        except OSError as error:
            if error.errno != errno.EIO:  # a disk that has lost it gives it to nobody
                raise host_error("read", path, error) from error
        path.unlink(missing_ok=True)
        self._facts.pop(sha256, None)
        return False

    def _finish(self, sha256: str, part: Path) -> PackageInfo:
        """Look at a package that is whole, and keep it; a wrong one is thrown away."""
        try:
            if _digest(part) != sha256:
                raise HostError("the package was damaged on its way: hand it over again")
            with open(part, "rb") as file:
                facts = read_facts(file, "the file")
            _check(facts)
            part.chmod(0o600)
            part.rename(self._path(sha256))
            sync_directory(self.directory)
        except OSError as error:
            raise host_error("keep the package in", part, error) from error
        except HostError:
            part.unlink(missing_ok=True)
            raise
        self._facts[sha256] = facts
        self._prune(sha256)
        return self._info(sha256)

    def _info(self, sha256: str) -> PackageInfo:
        path = self._path(sha256)
        found = path.stat()
        facts = self._facts.get(sha256)
        if facts is None:
            with open(path, "rb") as file:
                facts = self._facts[sha256] = read_facts(file, str(path))
        return PackageInfo(
            sha256,
            facts.name,
            facts.version,
            facts.architecture,
            found.st_size,
            found.st_mtime,
            facts.protocol_min,
            facts.protocol_max,
        )

    def _prune(self, newest: str) -> None:
        """Let the packages go that were used longest ago, until the rest is within the bounds."""
        by_age = [(self._path(each).stat(), each) for each in self._kept() if each != newest]
        by_age.sort(key=lambda each: each[0].st_mtime)
        count = len(by_age) + 1
        size = sum(each.st_size for each, _ in by_age) + self._path(newest).stat().st_size
        for found, sha256 in by_age:
            if count <= self._kept_max and size <= self._bytes_max:
                break
            self._path(sha256).unlink(missing_ok=True)
            self._facts.pop(sha256, None)
            count -= 1
            size -= found.st_size

    def _make_room_for_part(self, wanted: str) -> None:
        """Forget packages that do not come any more, and the oldest where too many come."""
        parts: list[tuple[float, Path]] = []
        for name in os.listdir(self.directory):
            found = _PART.fullmatch(name)
            if found is None or found[1] == wanted:
                continue
            path = self.directory / name
            parts.append((path.stat().st_mtime, path))
        parts.sort()
        for age, path in parts:
            if len(parts) < PARTS_MAX and self._wall() - age < PART_AGE_S_MAX:
                break
            path.unlink(missing_ok=True)
            parts = parts[1:]


def _check(facts: PackageFacts) -> None:
    """Refuse what no minion of this master can be upgraded to. Raises `HostError`."""
    if facts.name != PACKAGE:
        raise HostError(f"the file is the package {facts.name}: {PACKAGE} is expected")
    if facts.protocol_max == 0:
        raise HostError(f"{PACKAGE} {facts.version} does not say which protocols it speaks")
    if facts.protocol_min > PROTOCOL_MAX:
        raise HostError(
            f"{PACKAGE} {facts.version} speaks protocol {facts.protocol_min} to "
            f"{facts.protocol_max}, this master {PROTOCOL_MIN} to {PROTOCOL_MAX}: "
            "upgrade the master first"
        )
    if facts.protocol_max < PROTOCOL_MIN:
        raise HostError(
            f"{PACKAGE} {facts.version} is too old for this master, which speaks protocol "
            f"{PROTOCOL_MIN} to {PROTOCOL_MAX}"
        )


def _digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(_BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()
