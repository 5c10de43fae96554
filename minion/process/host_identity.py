"""Whether this host is the one that the minion's key was made for, or a copy of it.

A key is made at the first start. An image of a host that has run has one already, and every host
made from it would be the same minion. What tells them apart is `/etc/machine-id`: systemd and
whatever makes images give each host its own. Its hash is kept beside the key (the id itself is not
to be shown around, says machine-id(5)), and another one later means: this is a copy. Then key, id,
journal and what belongs to its jobs are set aside, before anything else is done, and made anew. The
master's key is kept: the copy belongs to the same master.

    nothing kept, or no id to go by   the key stays; an id is kept from now on
    the same id                       the key stays
    another id                        all that was the other host's goes to STATE/former/…

No id to go by is a file that is missing, empty or `uninitialized`; one that is mounted over
`/etc/machine-id`, as systemd does when the id is good for one boot only; and one of a container
whose state is on a volume, because the volume outlives the container and its id.
"""

import hashlib
import os
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from limpet.common.errors import HostError
from limpet.common.storage.files import (
    host_error,
    make_directory,
    read_whole,
    sync_directory,
    write_whole,
)

MACHINE_NAME: Final = "machine"
"""The file beside the keys: a hash in 64 hex digits, and a check of it: a bad bit makes no copy."""
FORMER_NAME: Final = "former"
"""The directory in the state directory for what was set aside."""

_FORM: Final = re.compile(rb"\A[0-9a-f]{32}\Z")
_HASH: Final = re.compile(r"\A([0-9a-f]{64}) ([0-9a-f]{8})\Z")
_OF_THE_KEY: Final = ("minion.secret", "minion.secret.copy", "minion.public")
_OF_THE_STATE: Final = ("minion_id", "minion_id.copy", "journal", "spool", "runs", "facts.json")
_BYTES_MAX: Final = 4096
_TABLE_BYTES_MAX: Final = 4 * 1024 * 1024


@dataclass(frozen=True, slots=True)
class Places:
    """Where the host says who it is; a test has others."""

    machine_id: Path = Path("/etc/machine-id")
    mounts: Path = Path("/proc/self/mountinfo")
    container_marks: tuple[Path, ...] = (
        Path("/run/systemd/container"),
        Path("/.dockerenv"),
        Path("/run/.containerenv"),
    )


THIS_HOST: Final = Places()


def machine_hash(state_dir: Path, places: Places = THIS_HOST) -> str:
    """Give the hash of this host's machine id; empty where there is none to go by."""
    try:
        text = read_whole(places.machine_id, bytes_max=_BYTES_MAX).strip()
    except (FileNotFoundError, HostError):
        return ""  # without it hosts can't be told apart; that is no reason not to run
    if not _FORM.match(text) or not text.strip(b"0"):
        return ""
    if _is_mounted(places) or _is_volume(state_dir, places):
        return ""
    return hashlib.sha256(b"limpet minion on " + text).hexdigest()


def kept_hash(keys_dir: Path) -> str:
    """Give the hash that is kept beside the keys; empty where there is none that can be read."""
    try:
        data = read_whole(keys_dir / MACHINE_NAME, bytes_max=_BYTES_MAX)
    except (FileNotFoundError, HostError):
        return ""
    found = _HASH.match(data.decode("ascii", "replace").strip())
    return found[1] if found and found[2] == _check(found[1]) else ""


def _check(kept: str) -> str:
    return hashlib.sha256(kept.encode()).hexdigest()[:8]


def set_aside_if_copied(
    state_dir: Path, *, is_followed: bool = True, places: Places = THIS_HOST
) -> tuple[str, ...]:
    """Begin a new identity where this host is a copy; gives what to say of it in the log.

    The lock of the state directory is held and no key has been read yet. A crash in the middle is
    put right by the next call: the new hash is written after all has been moved and before a key is
    made. Raises `HostError` if something can't be moved: two hosts with one key would be worse
    than one that says why it does not start.
    """
    keys_dir = state_dir / "keys"
    present = machine_hash(state_dir, places)
    kept = kept_hash(keys_dir)
    if not present or present == kept:
        return ()
    notices: tuple[str, ...] = ()
    if kept:
        if not is_followed:
            return ()
        former = _set_aside(state_dir, kept)
        notices = (
            "the machine id of this host is another one than when the minion's key was made, so it "
            f"is a copy: key, id and journal of the other host are in {former}, and new ones are "
            "made; the master has to accept the new key (`follow_machine_id: false` if it is none)",
        )
    try:
        write_whole(keys_dir / MACHINE_NAME, f"{present} {_check(present)}\n".encode())
    except HostError as error:
        if kept:
            raise
        return (f"{error}; a copy of this host would not be noticed",)
    return notices


def _set_aside(state_dir: Path, kept: str) -> Path:
    """Move all that is the other host's into one directory, the key first."""
    number = 1
    while (former := state_dir / FORMER_NAME / f"{kept[:12]}-{number}").exists():
        number += 1  # it was a copy of that host before, or the last call was cut off
    make_directory(former)
    keys = [state_dir / "keys" / name for name in _OF_THE_KEY]
    for path in (*keys, *(state_dir / name for name in _OF_THE_STATE)):
        try:
            os.rename(path, former / path.name)
        except FileNotFoundError:
            continue
        except OSError as error:
            raise host_error("set aside (it belongs to another host)", path, error) from error
    for directory in (former, state_dir / "keys", state_dir):
        sync_directory(directory)
    return former


def _is_mounted(places: Places) -> bool:
    """Say whether something is mounted over the file itself: an id for one boot, or borrowed."""
    try:
        with open(places.mounts, "rb") as file:
            table = file.read(_TABLE_BYTES_MAX)
    except OSError:
        return False
    point = os.fsencode(places.machine_id)
    return any(line.split(b" ")[4:5] == [point] for line in table.splitlines())


def _is_volume(state_dir: Path, places: Places) -> bool:
    """Say whether this is a container whose state is kept apart from its own files."""
    if not any(mark.exists() for mark in places.container_marks):
        return False
    try:
        # Of directories: on overlayfs, files may show the number of the layer below.
        return state_dir.stat().st_dev != places.machine_id.parent.stat().st_dev
    except OSError:
        return False
