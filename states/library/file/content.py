"""What a managed file is to hold: bytes that are here, or a source that is brought when needed.

A source of the tree is compared by its checksum and copied piece by piece; it stands in memory only
where its text is shown or rendered.
"""

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final, Protocol

from limpet.common.errors import HostError
from limpet.states.library.context import StateContext
from limpet.states.library.file import text
from limpet.states.library.file.owners import Ownership

if TYPE_CHECKING:  # it loads what speaks to web servers
    from limpet.states.fileroots.downloads import Fetching

DIFFERENCE_BYTES_MAX: Final = 4 * 1024 * 1024
"""Of a file whose difference is shown."""
MEMORY_BYTES_MAX: Final = 512 * 1024 * 1024


class Content(Protocol):
    """The wanted content of one file. All raise `HostError`."""

    def is_in(self, context: StateContext, path: str) -> bool:
        """Say whether the file at that path holds it already."""
        ...

    def data(self, context: StateContext, bytes_max: int = MEMORY_BYTES_MAX) -> bytes | None:
        """Give it whole; None: it is larger than that."""
        ...

    def place(self, context: StateContext, path: str, wanted: Ownership) -> None:
        """Put it there, whole, with owner and mode."""
        ...


@dataclass(frozen=True, slots=True)
class Text:
    """Content that is here: out of the SLS, pillar, grains, or a template."""

    bytes_: bytes

    def is_in(self, context: StateContext, path: str) -> bool:
        """Say whether the file at that path holds it already."""
        facts = context.file_system.facts(path, is_following=True)
        if facts is None or facts.kind != "file" or facts.size != len(self.bytes_):
            return False
        return context.file_system.read(path) == self.bytes_

    def data(self, context: StateContext, bytes_max: int = MEMORY_BYTES_MAX) -> bytes | None:
        """Give it whole; None: it is larger than that."""
        return self.bytes_ if len(self.bytes_) <= bytes_max else None

    def place(self, context: StateContext, path: str, wanted: Ownership) -> None:
        """Put it there, whole, with owner and mode."""
        uid, gid = wanted.ids(context)
        context.file_system.place(path, self.bytes_, mode=wanted.mode_bits, uid=uid, gid=gid)


@dataclass(slots=True)
class Sourced:
    """Content of a source that is used as it is."""

    address: str
    saltenv: str
    name: str
    """What messages call the file."""
    size: int | None = None
    algorithm: str = ""
    checksum: str = ""
    """What its content is known to have; empty: only a look at the content would tell."""
    is_asked_for: bool = False
    """The checksum is the user's: what comes must have it."""
    how: "Fetching | None" = None
    _path: str = field(default="", repr=False)

    def is_in(self, context: StateContext, path: str) -> bool:
        """Say whether the file at that path holds it already."""
        facts = context.file_system.facts(path, is_following=True)
        if facts is None or facts.kind != "file" or self.size not in (None, facts.size):
            return False
        if self.checksum and not self._path:
            return context.file_system.digest(path, self.algorithm) == self.checksum
        return context.file_system.is_same_content(path, self.bring(context))

    def bring(self, context: StateContext) -> str:
        """Have the content on this machine and give its path; hold it against its checksum."""
        if self._path:
            return self._path
        path = context.tree.local_copy(self.address, self.saltenv, self.how)
        if path is None:
            raise missing(self.address, self.saltenv)
        if self.is_asked_for:
            found = context.file_system.digest(path, self.algorithm)
            if found != self.checksum:
                context.tree.forget(self.address, self.saltenv)
                raise HostError(
                    f"Specified {self.algorithm} checksum for {self.name} ({self.checksum}) does "
                    f"not match actual checksum ({found})"
                )
        self._path = path
        return path

    def data(self, context: StateContext, bytes_max: int = MEMORY_BYTES_MAX) -> bytes | None:
        """Give it whole; None: it is larger than that."""
        path = self.bring(context)
        facts = context.file_system.facts(path, is_following=True)
        if facts is not None and facts.size > bytes_max:
            return None
        return context.file_system.read(path, bytes_max=bytes_max)

    def place(self, context: StateContext, path: str, wanted: Ownership) -> None:
        """Put it there, whole, with owner and mode."""
        uid, gid = wanted.ids(context)
        context.file_system.place_copy(
            path, self.bring(context), mode=wanted.mode_bits, uid=uid, gid=gid
        )


def missing(address: str, saltenv: str) -> HostError:
    """Give the error for a source that isn't there, in Salt's words."""
    if address.startswith(("http://", "https://", "ftp://")):
        from limpet.states.fileroots.downloads import shown

        return HostError(f"Failed to cache {shown(address)}: the server has no such file (404)")
    if address.startswith("salt://"):
        return HostError(f"Source file {address} not found in saltenv '{saltenv}'")
    return HostError(f"Local file source {address} does not exist")


def whole(content: Content, context: StateContext, what: str) -> bytes:
    """Give all of it. Raises `HostError` where it is larger than fits into memory."""
    data = content.data(context)
    if data is None:
        raise HostError(f"{what} has more than the {MEMORY_BYTES_MAX} bytes allowed here")
    return data


def difference(context: StateContext, path: str, content: Content) -> str:
    """Show how a file differs from the content that it is to have."""
    facts = context.file_system.facts(path, is_following=True)
    size = 0 if facts is None else facts.size
    after = content.data(context, DIFFERENCE_BYTES_MAX)
    if after is None or size > DIFFERENCE_BYTES_MAX:
        return f"Replace file of {size} bytes, too large to show what differs"
    return text.difference(context.file_system.read(path), after)


def new_difference(context: StateContext, content: Content) -> str:
    """Show all of a new file as added lines; `New file` where it is no text, or too large."""
    data = content.data(context, DIFFERENCE_BYTES_MAX)
    decoded = None if data is None else text.decoded(data)
    return "New file" if decoded is None else text.unified([], decoded.splitlines(True))
