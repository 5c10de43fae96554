"""Where the join string comes from, so that as few as possible see it (R-3.5)."""

import os
import stat
import sys
from pathlib import Path
from typing import Final

from limpet.common.crypto.joinstring import LENGTH, JoinString, parse_join_string
from limpet.common.errors import UsageError
from limpet.common.storage.files import read_whole

BYTES_MAX: Final = 4096
STDIN: Final = "-"


def read_join_file(path: Path) -> JoinString:
    """Read a join string from a file that only its owner can read.

    Raises `UsageError` where others can read it, or it holds no join string.
    """
    try:
        found = path.lstat()
        if not stat.S_ISREG(found.st_mode):
            raise UsageError(f"{path} is not a regular file")
        if found.st_uid not in (0, os.geteuid()):
            raise UsageError(f"{path} belongs to somebody else: chown it, or make another")
        if found.st_mode & 0o077:
            raise UsageError(f"others may read the secret in {path}: chmod 600 {path}")
        text = read_whole(path, bytes_max=BYTES_MAX).decode("utf-8", "replace")
    except FileNotFoundError as error:
        raise UsageError(f"{path}: there is no such file") from error
    except PermissionError as error:
        raise UsageError(f"{path} can't be read: run the command as its owner") from error
    return parse_join_string(text)


def read_join_input() -> JoinString:
    """Read a join string from stdin, to its end. Raises `UsageError`."""
    return parse_join_string(sys.stdin.buffer.read(BYTES_MAX).decode("utf-8", "replace"))


def ask_for_join() -> JoinString:
    """Ask a person at a terminal, without showing what is typed. Raises `UsageError`."""
    import getpass

    return parse_join_string(getpass.getpass(f"Join string ({LENGTH} characters, not shown): "))
