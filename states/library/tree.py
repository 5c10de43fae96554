"""Files of the roots, of this machine and of the web, and templates as they see a run."""

import os
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Final, Protocol

from limpet.common.errors import HostError, SourceError, UsageError
from limpet.states.fileroots.names import SaltAddress, parse_address
from limpet.states.fileroots.port import SourceFacts, TreeRoots
from limpet.states.sls.errors import RenderError
from limpet.states.sls.renderers import Renderers

if TYPE_CHECKING:  # loaded when a file of the web is asked for
    from limpet.states.fileroots.downloads import Downloads, Fetching

_WEB: Final = ("http://", "https://", "ftp://")
FILE_BYTES_MAX: Final = 512 * 1024 * 1024
"""Of a file that is read into memory; those that are only copied may be larger."""


class Rendering(Protocol):
    """Gives the renderers for templates, with the pillar as it is now."""

    def __call__(self) -> Renderers:
        """Give them."""
        ...


class RootsTree:
    """Implements `limpet.states.library.context.Tree` on file roots, wherever they are."""

    def __init__(
        self,
        roots: TreeRoots,
        rendering: Rendering,
        downloads: Callable[[], "Downloads"] | None = None,
    ) -> None:
        """Read these roots; `downloads`, made when first wanted, fetches from the web."""
        self.roots = roots
        self._rendering = rendering
        self._downloads = downloads

    def read(self, source: str, saltenv: str) -> bytes | None:
        """Give the content of a source; None: no such file. Raises `HostError`."""
        if source.startswith(_WEB):
            path = self.local_copy(source, saltenv)
            return None if path is None else _read_local(path)
        if path := _local(source):
            return _read_local(path)
        address, environment = _address(source, saltenv)
        try:
            return self.roots.content(address.path, environment, bytes_max=FILE_BYTES_MAX)
        except SourceError as error:
            raise HostError(str(error)) from error

    def look(self, source: str, saltenv: str) -> SourceFacts | None:
        """Say what is known of a source without fetching it; None: no such file."""
        if source.startswith(_WEB):
            return SourceFacts(0, None) if self._web().is_there(source) else None
        if path := _local(source):
            return _look_local(path)
        address, environment = _address(source, saltenv)
        try:
            return self.roots.look(address.path, environment)
        except SourceError as error:
            raise HostError(str(error)) from error

    def local_copy(self, source: str, saltenv: str, how: "Fetching | None" = None) -> str | None:
        """Give the path of a file here with the source's content; None: no such file."""
        if source.startswith(_WEB):
            return self._web().local_copy(source, saltenv, how)
        if path := _local(source):
            return None if _look_local(path) is None else path
        address, environment = _address(source, saltenv)
        try:
            return self.roots.local_copy(address.path, environment)
        except SourceError as error:
            raise HostError(str(error)) from error

    def forget(self, source: str, saltenv: str) -> None:
        """Remove what was kept here of a source on the web."""
        if source.startswith(_WEB):
            self._web().forget(source, saltenv)

    def mode(self, source: str, saltenv: str) -> int | None:
        """Give the permission bits of a source; None: no such file, or nobody knows."""
        if source.startswith(_WEB):
            return None
        found = self.look(source, saltenv)
        return None if found is None else found.mode

    def names(self, folder: str, saltenv: str) -> list[str]:
        """Give the paths of all files below a folder of the tree, relative to that folder."""
        inside, environment = _folder(folder, saltenv)
        return [
            path[len(inside) :] for path in self.roots.files(environment) if path.startswith(inside)
        ]

    def folders(self, folder: str, saltenv: str) -> list[str]:
        """Give the paths of all folders below a folder of the tree, the empty ones too."""
        inside, environment = _folder(folder, saltenv)
        return self.roots.folders(environment, inside)

    def links(self, folder: str, saltenv: str) -> dict[str, str]:
        """Give the symbolic links below a folder of the tree with what they point at."""
        inside, environment = _folder(folder, saltenv)
        return self.roots.links(environment, inside)

    def render(
        self, text: str, engine: str, variables: Mapping[str, Any], *, saltenv: str, source: str
    ) -> str:
        """Render a template of a managed file. Raises `HostError` with the template's place."""
        renderers = self._rendering()
        place = self._place(source, saltenv)
        try:
            if engine == "jinja":
                return renderers.template(text, saltenv, place, variables)
            if engine == "py":
                document = renderers.text(text, saltenv, "", place, pipe="py", variables=variables)
                return str(document.data)
        except RenderError as error:
            raise HostError(f"Unable to manage file: {source}: {error.told}") from error
        except SourceError as error:
            raise HostError(f"Unable to manage file: {error}") from error
        raise HostError(f"Specified template format {engine} is not supported; jinja and py are")

    def _place(self, source: str, saltenv: str) -> str:
        """Give where the template lies, for error messages."""
        if not source.startswith("salt://"):
            return source
        return self.local_copy(source, saltenv) or _address(source, saltenv)[0].path

    def place_of(self, address: str, saltenv: str) -> str:
        """Give where a file of the web lies when it has been fetched."""
        return self._web().place_of(address, saltenv)

    def _web(self) -> "Downloads":
        if self._downloads is None:
            raise HostError(
                "files of web servers can't be fetched here: there is no cache for them"
            )
        return self._downloads()


def _address(source: str, saltenv: str) -> tuple[SaltAddress, str]:
    try:
        address = parse_address(source)
    except UsageError as error:
        raise HostError(str(error)) from error
    return address, address.environment or saltenv


def _folder(folder: str, saltenv: str) -> tuple[str, str]:
    """Give the folder as the beginning of the paths in it, and the environment."""
    bare = folder.removeprefix("salt://").strip("/")
    if not bare:
        return "", saltenv
    address, environment = _address(f"salt://{bare}", saltenv)
    return f"{address.path.rstrip('/')}/", environment


def _local(source: str) -> str:
    """Give the path of a source on this machine; empty: it is none."""
    if source.startswith("file://"):
        return source.removeprefix("file://")
    return source if source.startswith("/") else ""


def _look_local(path: str) -> SourceFacts | None:
    try:
        found = os.stat(path)
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return None
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror}") from error
    return SourceFacts(found.st_size, found.st_mode & 0o7777)


def _read_local(path: str) -> bytes | None:
    try:
        with open(path, "rb") as file:
            content = file.read(FILE_BYTES_MAX + 1)
    except (FileNotFoundError, NotADirectoryError):
        return None
    except OSError as error:
        raise HostError(f"cannot read {path}: {error.strerror}") from error
    if len(content) > FILE_BYTES_MAX:
        raise HostError(f"cannot read {path}: it has more than {FILE_BYTES_MAX} bytes")
    return content
