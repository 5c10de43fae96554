"""Files of the roots, of this machine and of the web, and templates as they see a run."""

import os
import urllib.error
import urllib.request
from collections.abc import Mapping
from typing import Any, Final, Protocol

from limpet.common.errors import HostError, SourceError, UsageError
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.fileroots.names import SaltAddress, parse_address
from limpet.states.sls.errors import RenderError
from limpet.states.sls.renderers import Renderers

_FETCH_S: Final = 30.0
"""Without a word from a web server."""
_WEB: Final = ("http://", "https://", "ftp://")
FILE_BYTES_MAX: Final = 512 * 1024 * 1024


class Rendering(Protocol):
    """Gives the renderers for templates, with the pillar as it is now."""

    def __call__(self) -> Renderers:
        """Give them."""
        ...


class RootsTree:
    """Implements `limpet.states.library.context.Tree` on file roots that are directories."""

    def __init__(self, roots: Mapping[str, list[str]], rendering: Rendering) -> None:
        self._roots = DirectoryRoots(roots, bytes_max=FILE_BYTES_MAX)
        self._rendering = rendering

    def read(self, source: str, saltenv: str) -> bytes | None:
        """Give the content of a source; None: no such file. Raises `HostError`."""
        if source.startswith(_WEB):
            return _fetched(source)
        if path := _local(source):
            return _read_local(path)
        address, environment = _address(source, saltenv)
        try:
            found = self._roots.read(address.path, environment)
        except SourceError as error:
            raise HostError(str(error)) from error
        return None if found is None else found.content

    def mode(self, source: str, saltenv: str) -> int | None:
        """Give the permission bits of a source; None: no such file, or nobody knows."""
        if source.startswith(_WEB):
            return None
        path = _local(source)
        if not path:
            address, environment = _address(source, saltenv)
            try:
                found = self._roots.read(address.path, environment)
            except SourceError as error:
                raise HostError(str(error)) from error
            if found is None:
                return None
            path = found.real_path
        try:
            return os.stat(path).st_mode & 0o7777
        except OSError:
            return None

    def names(self, folder: str, saltenv: str) -> list[str]:
        """Give the paths of all files below a folder of the tree, relative to that folder."""
        inside, environment = _folder(folder, saltenv)
        return [
            path[len(inside) :]
            for path in self._roots.files(environment)
            if path.startswith(inside)
        ]

    def folders(self, folder: str, saltenv: str) -> list[str]:
        """Give the paths of all folders below a folder of the tree, the empty ones too."""
        inside, environment = _folder(folder, saltenv)
        found: set[str] = set()
        for root in self._roots.roots_of(environment):
            top = os.path.join(root, inside)
            for above, folders, _ in os.walk(top):
                found.update(os.path.relpath(os.path.join(above, each), top) for each in folders)
        return sorted(found)

    def links(self, folder: str, saltenv: str) -> dict[str, str]:
        """Give the symbolic links below a folder of the tree with what they point at."""
        inside, environment = _folder(folder, saltenv)
        found: dict[str, str] = {}
        for root in self._roots.roots_of(environment):
            top = os.path.join(root, inside)
            for above, folders, files in os.walk(top):
                for each in (*folders, *files):
                    path = os.path.join(above, each)
                    if os.path.islink(path):
                        found.setdefault(os.path.relpath(path, top), os.readlink(path))
        return found

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
            raise HostError(f"Unable to manage file: {error.told}") from error
        except SourceError as error:
            raise HostError(f"Unable to manage file: {error}") from error
        raise HostError(f"Specified template format {engine} is not supported; jinja and py are")

    def _place(self, source: str, saltenv: str) -> str:
        """Give where the template lies, for error messages."""
        if not source.startswith("salt://"):
            return source
        address, environment = _address(source, saltenv)
        found = self._roots.read(address.path, environment)
        return address.path if found is None else found.real_path


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
    return f"{address.path}/", environment


def _local(source: str) -> str:
    """Give the path of a source on this machine; empty: it is none."""
    if source.startswith("file://"):
        return source.removeprefix("file://")
    return source if source.startswith("/") else ""


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


def _fetched(source: str) -> bytes | None:
    request = urllib.request.Request(source, headers={"User-Agent": "limpet"})  # noqa: S310 — http(s) and ftp
    try:
        with urllib.request.urlopen(request, timeout=_FETCH_S) as answer:  # noqa: S310
            content: bytes = answer.read(FILE_BYTES_MAX + 1)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 404:
            return None
        raise HostError(f"{source}: the server answers {error.code} {error.reason}") from error
    except (OSError, ValueError) as error:
        raise HostError(f"{source} can't be fetched: {error}") from error
    if len(content) > FILE_BYTES_MAX:
        raise HostError(f"{source} has more than {FILE_BYTES_MAX} bytes")
    return content
