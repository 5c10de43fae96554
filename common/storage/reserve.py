"""Disk space set aside for the moment when the disk is full."""

import errno
import os
from pathlib import Path

from limpet.common.storage.files import host_error


class Reserve:
    """A file of real blocks that is given up when space runs out, and taken back later."""

    def __init__(self, path: str | Path, bytes_wanted: int) -> None:
        self._path = Path(path)
        self._bytes_wanted = bytes_wanted

    @property
    def is_held(self) -> bool:
        """Say whether the space is set aside now."""
        try:
            found = self._path.stat()
        except OSError:
            return False
        return found.st_size >= self._bytes_wanted

    def hold(self) -> bool:
        """Set the space aside; False if there is none now. Raises `HostError` for the rest."""
        if self.is_held:
            return True
        try:
            descriptor = os.open(
                self._path, os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
            )
        except OSError as error:
            if _is_room(error):
                return False
            raise host_error("set aside space in", self._path, error) from error
        try:
            os.posix_fallocate(descriptor, 0, self._bytes_wanted)
        except OSError as error:
            os.close(descriptor)
            self.give_up()
            if _is_room(error):
                return False
            raise host_error("set aside space in", self._path, error) from error
        os.close(descriptor)
        return True

    def give_up(self) -> bool:
        """Free the space for the final records; say whether there was any."""
        was_held = self.is_held
        try:
            self._path.unlink(missing_ok=True)
        except OSError:
            return False  # a read-only file system: nothing is freed, and the caller goes on
        return was_held


def _is_room(error: OSError) -> bool:
    """Say whether there is merely no room now; a read-only file system counts as such."""
    return error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EROFS)
