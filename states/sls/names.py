"""Which SLS there are in an environment, and in which file each one is."""

from limpet.states.fileroots.names import candidates, sls_of
from limpet.states.fileroots.port import FileRoots


class SlsNames:
    """The names of all SLS of a set of roots, listed once."""

    def __init__(self, roots: FileRoots) -> None:
        self._roots = roots
        self._available: dict[str, list[str]] = {}

    def available(self, environment: str) -> list[str]:
        """List the SLS of an environment, sorted as their files are."""
        if environment not in self._available:
            names = (sls_of(path) for path in self._roots.files(environment))
            self._available[environment] = sorted({name for name in names if name is not None})
        return self._available[environment]

    def path(self, sls: str, environment: str) -> str | None:
        """Give the path of an SLS, `x.sls` before `x/init.sls`; None where there is none."""
        for path in candidates(sls):
            if self._roots.exists(path, environment):
                return path
        return None
