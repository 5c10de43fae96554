"""Which digest a path of the master had when it was last asked for, kept from job to job.

With it the master says "unchanged" instead of sending a body again. A file for each environment,
to which a line is appended when something has changed; the last line for a path holds. A hint
only: whatever is wrong with it costs a body that is sent again, and it is never an error.
"""

import contextlib
import os
from typing import Final

from limpet.states.fileroots.names import is_inside
from limpet.states.fileroots.served.listing import is_digest, is_environment

_BYTES_MAX: Final = 32 * 1024 * 1024
_APPEND: Final = os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_NOFOLLOW | os.O_CLOEXEC
LISTING: Final = "/listing"
"""Stands for the list of files itself; no path of a file begins so."""


class KnownDigests:
    """Digests by environment and path."""

    def __init__(self, directory: str) -> None:
        self._directory = directory
        self._known: dict[str, dict[str, str]] = {}

    def get(self, environment: str, path: str) -> str:
        """Give the digest; empty: none is known."""
        return self._of(environment).get(path, "")

    def note(self, environment: str, path: str, digest: str) -> None:
        """Keep a digest for the next job."""
        known = self._of(environment)
        if known.get(path) == digest or not is_environment(environment):
            return
        known[path] = digest
        with contextlib.suppress(OSError):  # a full disk will be told where it matters
            os.makedirs(self._directory, 0o700, exist_ok=True)
            descriptor = os.open(self._file(environment), _APPEND, 0o600)
            try:
                os.write(descriptor, f"{digest} {path}\n".encode("utf-8", "surrogateescape"))
            finally:
                os.close(descriptor)

    def _file(self, environment: str) -> str:
        return f"{self._directory}/{environment}"

    def _of(self, environment: str) -> dict[str, str]:
        if environment not in self._known:
            self._known[environment] = (
                self._read(environment) if is_environment(environment) else {}
            )
        return self._known[environment]

    def _read(self, environment: str) -> dict[str, str]:
        path = self._file(environment)
        try:
            with open(path, "rb") as file:
                data = file.read(_BYTES_MAX)
        except OSError:
            return {}
        found: dict[str, str] = {}
        lines = data.decode("utf-8", "surrogateescape").split("\n")
        for line in lines[:-1]:
            digest, _, name = line.partition(" ")
            if is_digest(digest) and (name == LISTING or is_inside(name)):
                found[name] = digest
        if len(lines) > 2 * len(found) + 1000 or len(data) == _BYTES_MAX:
            self._rewrite(path, found)
        return found

    def _rewrite(self, path: str, known: dict[str, str]) -> None:
        """Leave out the lines that hold no longer; what another job appends meanwhile is lost."""
        beside = f"{path}.{os.urandom(8).hex()}"
        text = "".join(f"{digest} {name}\n" for name, digest in known.items())
        with contextlib.suppress(OSError):
            with open(beside, "xb") as file:
                file.write(text.encode("utf-8", "surrogateescape"))
            os.rename(beside, path)
