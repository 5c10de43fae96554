"""Owner and mode of files and directories: secrets are private, nobody can put others there."""

import os
import pwd
import stat
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from limpet.common.service.paths import user_name
from limpet.common.setup.findings import Finding, fail, ok, warn


@dataclass(frozen=True, slots=True)
class Place:
    """What a path should be like, if it is there."""

    path: Path
    owners: tuple[int, ...]
    """Users it may belong to; empty: any."""
    refused: int
    """Mode bits that it must not have."""
    is_directory: bool = False


def is_denied(error: BaseException | None) -> bool:
    """Say whether it is only this user's rights that an error came from."""
    while error is not None:
        if isinstance(error, PermissionError):
            return True
        error = error.__cause__
    return False


def is_hidden(directory: Path) -> bool:
    """Say whether this user can't look into a directory that is there."""
    return not os.access(directory, os.X_OK) and os.path.exists(directory)


def uid_of(user: str) -> int | None:
    """Give the number of a user; None: this host has none of that name."""
    try:
        return pwd.getpwnam(user).pw_uid
    except KeyError:
        return None


def look(places: Sequence[Place], parents_of: Sequence[Path]) -> Iterable[Finding]:
    """Look at the places, and at the directories above `parents_of` (R-8.1)."""
    found: list[Finding] = []
    hidden: list[str] = []
    looked = 0
    for place in places:
        try:
            status = os.lstat(place.path)
        except FileNotFoundError:
            continue
        except OSError:
            hidden.append(str(place.path))
            continue
        looked += 1
        found += _judge(place, status)
    for path in parents_of:
        found += _parents(path)
    if hidden:
        text = f"not looked at: {hidden[0]}" + (f" and {len(hidden) - 1} more" * (len(hidden) > 1))
        found.append(warn("modes", text, "run `limpet doctor` as root to look at them as well"))
    if not found:
        found.append(ok("modes", f"{looked} files and directories are as they should be"))
    return found


def _judge(place: Place, found: os.stat_result) -> Iterator[Finding]:
    path, mode = place.path, stat.S_IMODE(found.st_mode)
    if stat.S_ISLNK(found.st_mode):
        yield fail("modes", f"{path} is a symbolic link", "put the real file in its place")
        return
    if place.is_directory != stat.S_ISDIR(found.st_mode):
        kind = "a directory" if place.is_directory else "a regular file"
        yield fail("modes", f"{path} is not {kind}", "move it away")
        return
    if place.owners and found.st_uid not in place.owners:
        owner = user_name(place.owners[0])
        text = f"{path} belongs to {user_name(found.st_uid)}"
        yield fail("modes", text, f"chown {owner} {path}")
    refused = place.refused
    if place.is_directory and found.st_gid == found.st_uid:
        refused &= ~0o020  # the user's private group: the umask 0002 of many systems
    if mode & refused:
        text = f"{path} is open to others (mode {mode:04o})"
        yield fail("modes", text, f"chmod {mode & ~place.refused:o} {path}")


def _parents(path: Path) -> Iterator[Finding]:
    """Find directories above in which somebody else could put another one in its place."""
    try:
        owner = os.lstat(path).st_uid
    except OSError:
        return
    for parent in path.parents:
        try:
            found = os.stat(parent)
        except OSError:
            continue
        if found.st_uid not in (0, owner):
            text = f"{parent} belongs to {user_name(found.st_uid)}, who could replace {path}"
            yield fail("modes", text, f"chown root {parent}")
        elif found.st_mode & 0o002 and not found.st_mode & stat.S_ISVTX:
            text = f"{parent} may be written by anybody, who could replace {path}"
            yield fail("modes", text, f"chmod o-w {parent}")
