"""Unix sockets at paths of any length.

The kernel takes names of at most 107 bytes. A longer one is reached through its directory, which is
opened first and named as `/proc/self/fd/N`.
"""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

NAME_BYTES_MAX: Final = 107


@contextmanager
def reachable(path: Path) -> Iterator[str]:
    """Give a name for the socket that the kernel takes, for as long as the block lasts.

    Raises `OSError`, as `bind` and `connect` do, if the directory can't be reached.
    """
    name = os.fspath(path)
    if len(os.fsencode(name)) <= NAME_BYTES_MAX:
        yield name
        return
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
