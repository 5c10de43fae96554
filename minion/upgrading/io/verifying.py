"""Whether a package may be installed on this minion: looked at before anything is changed.

Raises `HostError` with the reason and what to do; the rest of the upgrade relies on it.
"""

import hashlib
import os
import re
from pathlib import Path
from typing import Final

from limpet.common.errors import HostError
from limpet.common.messages.fields import PROTOCOL_MAX, PROTOCOL_MIN
from limpet.common.packages.deb import PackageFacts, read_facts
from limpet.minion.journal.format import FORMAT, MAGIC_STEM
from limpet.minion.upgrading.io.package_manager import PACKAGE

BLOCK_BYTES: Final = 1024 * 1024
SPARE_BYTES: Final = 32 * 1024 * 1024
"""Room that is left for everything else."""
_FORMAT: Final = re.compile(re.escape(MAGIC_STEM) + rb"([0-9]{1,4})")


def digest_of(path: Path) -> str:
    """Give the SHA-256 of a file in hex. Raises `OSError`."""
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
    return digest.hexdigest()


def check_package(
    path: Path,
    sha256: str,
    *,
    architecture: str,
    journal: Path,
    protocol: tuple[int, int],
    shown: str,
) -> PackageFacts:
    """See to it that a file is the package that was meant, and fits this minion.

    `protocol` is the range that the master speaks; (0, 0): not known. Raises `HostError`.
    """
    try:
        found = digest_of(path)
        if sha256 and found != sha256:
            raise HostError(f"{shown} is damaged: SHA-256 {found[:12]}… instead of {sha256[:12]}…")
        with open(path, "rb") as file:
            facts = read_facts(file, shown)
    except OSError as error:
        raise HostError(f"{path} can't be read: {error.strerror}") from error
    if facts.name != PACKAGE:
        raise HostError(f"{shown} is the package {facts.name}, not {PACKAGE}")
    if facts.architecture not in (architecture, "all"):
        raise HostError(
            f"{shown} is for {facts.architecture}, this host is {architecture}: "
            "take the package that was built for it"
        )
    _check_journal(facts, journal)
    _check_protocol(facts, protocol)
    return facts


def _check_journal(facts: PackageFacts, journal: Path) -> None:
    """Refuse a version that could not read what this one has written."""
    on_disk = journal_format(journal)
    if facts.journal_format < on_disk:
        raise HostError(
            f"{facts.version} reads journals up to format {facts.journal_format}, and the one in "
            f"{journal} has format {on_disk}, so it would not know what has run: choose a newer "
            f"version; or let jobs end, stop the minion, move {journal} away and install the "
            "package by hand"
        )


def _check_protocol(facts: PackageFacts, protocol: tuple[int, int]) -> None:
    """Refuse a version that the master would not let in."""
    low, high = protocol if protocol != (0, 0) else (PROTOCOL_MIN, PROTOCOL_MAX)
    if facts.protocol_max == 0:
        raise HostError(f"{facts.version} does not say which protocols it speaks: not installed")
    if facts.protocol_min > high or facts.protocol_max < low:
        which = "the master first" if facts.protocol_min > high else "with a newer package"
        raise HostError(
            f"{facts.version} speaks protocol {facts.protocol_min} to {facts.protocol_max}, the "
            f"master {low} to {high}: upgrade {which}"
        )


def journal_format(journal: Path) -> int:
    """Give the format of the journal on disk: the newest of its files, or what this version writes.

    Raises `HostError` where it can't be looked at.
    """
    found = [FORMAT]
    try:
        for path in journal.iterdir():
            if path.is_file() and not path.is_symlink():
                with open(path, "rb") as file:
                    head = _FORMAT.match(file.read(32))
                if head:
                    found.append(int(head[1]))
    except FileNotFoundError:
        return FORMAT
    except OSError as error:
        raise HostError(f"{journal} can't be read: {error.strerror}") from error
    return max(found)


def check_room(facts: PackageFacts, package: Path, program: Path) -> None:
    """See to it that what is unpacked, and the old package, find room. Raises `HostError`.

    dpkg puts all new files beside the old ones before it lets any go.
    """
    needed = facts.installed_kib * 1024 + SPARE_BYTES
    for place, what in ((program, "the new version"), (package.parent, "the old package")):
        found = os.statvfs(place)
        free = found.f_bavail * found.f_frsize
        if free < needed:
            raise HostError(
                f"no room for {what}: {place} has {free // 2**20} MiB free, "
                f"{needed // 2**20} are needed; make room on its file system"
            )
