"""File roots that look at each file once, until they are told to look anew."""

from typing import Final

from limpet.states.fileroots.port import FileRoots, SourceFile

KEPT_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of all files together; those beyond it are read each time."""

_Place = tuple[str, str]
"""Path and environment."""


class KeptRoots:
    """Gives what another `FileRoots` gave before; of errors nothing is kept."""

    def __init__(self, roots: FileRoots) -> None:
        self._roots = roots
        self._files: dict[_Place, SourceFile | None] = {}
        self._exist: dict[_Place, bool] = {}
        self._listings: dict[str, list[str]] = {}
        self._bytes = 0

    def environments(self) -> list[str]:
        """Give the environments in their configured order, `base` first."""
        return self._roots.environments()

    def read(self, path: str, environment: str) -> SourceFile | None:
        """Read the file that lies uppermost; None where no root has it. Raises `SourceError`."""
        place = (path, environment)
        if place in self._files:
            return self._files[place]
        found = self._roots.read(path, environment)
        size = 0 if found is None else len(found.content)
        if self._bytes + size <= KEPT_BYTES_MAX:
            self._files[place] = found
            self._bytes += size
        return found

    def exists(self, path: str, environment: str) -> bool:
        """Say whether `read` would find a file. Raises `SourceError` as `read` does."""
        place = (path, environment)
        if place not in self._exist:
            self._exist[place] = self._roots.exists(path, environment)
        return self._exist[place]

    def files(self, environment: str) -> list[str]:
        """List all files of the environment, sorted, each path once."""
        if environment not in self._listings:
            self._listings[environment] = self._roots.files(environment)
        return list(self._listings[environment])
