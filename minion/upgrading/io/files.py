"""The files of upgrades: `STATE/upgrade/`, private to root.

    record.json     the upgrade that is under way; the service at boot looks for it
    last.json       how the last one ended
    program         link to the versions directory whose program goes on with it
    package.deb     what is being installed
    previous.deb    the installed package, rebuilt before it is replaced
    lock            held by whoever carries an upgrade out
    job.lock        held by the job that has begun it and waits for its outcome

Everything is written whole, synced, and renamed into place. Raises `HostError`.
"""

import os
from pathlib import Path
from typing import Final

import msgspec

from limpet.common.errors import HostError
from limpet.common.storage.files import (
    host_error,
    make_directory,
    read_whole,
    remove,
    sync_directory,
    write_whole,
)
from limpet.minion.upgrading.record import Record

RECORD_BYTES_MAX: Final = 256 * 1024


class UpgradeFiles:
    """The files of one minion."""

    def __init__(self, state_directory: Path) -> None:
        """Take the minion's state directory; nothing is touched yet."""
        self.directory = state_directory / "upgrade"
        self.record = self.directory / "record.json"
        self.last = self.directory / "last.json"
        self.program = self.directory / "program"
        self.package = self.directory / "package.deb"
        self.previous = self.directory / "previous.deb"
        self.lock = self.directory / "lock"
        self.job_lock = self.directory / "job.lock"

    def prepare(self) -> None:
        """Make the directory."""
        make_directory(self.directory)

    def load(self) -> Record | None:
        """Read the upgrade that is under way; None: there is none."""
        return _read(self.record)

    def load_last(self) -> Record | None:
        """Read how the last upgrade ended; None: there was none."""
        return _read(self.last)

    def find(self, identity: str) -> Record | None:
        """Give the upgrade of that id, under way or over; None: nobody knows it."""
        # The order matters: a record leaves the first file after it is in the second.
        for found in (self.load(), self.load_last()):
            if found is not None and found.id == identity:
                return found
        return None

    def save(self, record: Record) -> None:
        """Put the record on disk, durably."""
        write_whole(self.record, _encoded(record))

    def begin(self, record: Record, program: Path) -> None:
        """Put a new record on disk, and before it the way to the program that goes on with it."""
        self.prepare()
        _link(self.program, program)
        self.save(record)

    def end(self, record: Record) -> None:
        """Keep the record as the last one. Cut off in between, it is done again."""
        write_whole(self.last, _encoded(record))
        remove(self.record)
        if record.kind == "package":
            remove(self.package)

    def set_aside(self) -> Path:
        """Move a record away that can't be read, so that it is not met again at each boot."""
        aside = self.record.with_name("record.json.damaged")
        try:
            os.replace(self.record, aside)
            sync_directory(self.directory)
        except OSError as error:
            raise host_error("move away", self.record, error) from error
        return aside


def _encoded(record: Record) -> bytes:
    return msgspec.json.format(msgspec.json.encode(record), indent=1) + b"\n"


def _read(path: Path) -> Record | None:
    try:
        data = read_whole(path, bytes_max=RECORD_BYTES_MAX)
    except FileNotFoundError:
        return None
    try:
        return msgspec.json.decode(data, type=Record)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise HostError(f"{path} can't be read: {error}; move it away") from error


def _link(path: Path, target: Path) -> None:
    new = path.with_name(f".{path.name}.new")
    try:
        new.unlink(missing_ok=True)
        new.symlink_to(target)
        new.rename(path)
        sync_directory(path.parent)
    except OSError as error:
        raise host_error("make the link", path, error) from error
