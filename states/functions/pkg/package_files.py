"""What a package's file says of itself, to tell whether it is installed already."""

import contextlib

from limpet.common.packages.deb import PackageError, read_facts

MAGIC = b"!<arch>\n"


def version_in(path: str) -> str:
    """Give the version in a package's file; empty: it is none that can be read here.

    Such are packages of rpm, and those packed with zstd.
    """
    with contextlib.suppress(OSError, PackageError), open(path, "rb") as file:
        if file.read(len(MAGIC)) == MAGIC:
            return read_facts(file, path).version
    return ""
