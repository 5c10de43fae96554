"""What a minion's jobs may ask of its master: files, listings, the minion's pillar.

    ask ──▶ Served      what there is under that name now: digest, size, attributes, small bodies
    pull ─▶ bytes       the piece of it that begins at an offset, until it is whole

Both only read, so whoever carries the questions (the minion's link) may put them again after a
reconnect: a transfer goes on at the byte where it stopped, as long as the digest is the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from limpet.common.errors import HostError

Kind = Literal["file", "listing", "environments", "pillar"]
"""file: one file of an environment. listing: everything that an environment holds; MessagePack of a
list of `[path, kind, mode, size, target]`, kind being "file", "directory" or "link"; a sixth
element is the SHA-256 of a file, where the master knows it ("" or left out: it doesn't), and spares
the asker a question for each file. A link that leads to a file or directory inside its root stands
there twice, as a link and as what it leads to; what a directory holds is listed below the link too.
environments: MessagePack of a list of names, in the configured order. pillar: what belongs to this
minion; MessagePack of `{"data": …, "errors": […]}`."""


class SourceChanged(HostError):
    """What is being pulled is not what it was when it was asked for: ask again."""


@dataclass(frozen=True, slots=True)
class Question:
    """What is asked for."""

    kind: Kind
    environment: str = "base"
    name: str = ""
    """Of a file: its path inside the environment, without a leading slash."""
    arguments: Mapping[str, Any] = field(default_factory=dict)
    """For pillar: `grains`, `saltenv`, `pillarenv`, `override`."""


@dataclass(frozen=True, slots=True)
class Served:
    """What the master has under that name."""

    is_found: bool
    digest: str = ""
    """SHA-256 of the body, in hex."""
    size: int = 0
    """Of the body, in bytes."""
    attributes: Mapping[str, Any] = field(default_factory=dict)
    """Of a file: `mode` (permission bits), `mtime_s`."""
    body: bytes | None = None
    """The whole of it where it is small and the asker did not know it; else it has to be pulled."""


class MasterSources(Protocol):
    """The master, as jobs see it. Every call is bounded; all raise `HostError`.

    The error names what was asked for, and that no answer came from the master (for how long), or
    what the master said against it.
    """

    def ask(self, question: Question, *, known: str = "") -> Served:
        """Ask what there is; `known` is the digest of a body that is here already."""
        ...

    def pull(self, question: Question, served: Served, offset: int) -> bytes:
        """Give the next piece of the body; it is as long as the line allows, never empty.

        Raises `SourceChanged` if the master no longer has that body.
        """
        ...
