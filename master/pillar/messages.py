"""What the master and its pillar fork server say to each other over their socket pair.

The master speaks first (`Setup`, and again when its configuration has changed); after that each
`Render` is answered by one `Rendered`, in the order in which they end. Between the fork server and
its processes `Given` is answered by `Rendered`, which `Last` may precede, or by `OfItsOwn`.
"""

from typing import Any, Final

import msgspec

BODY_BYTES_MAX: Final = 16 * 1024 * 1024
"""Of one minion's pillar, encoded."""
LINE_BYTES_MAX: Final = BODY_BYTES_MAX + 256 * 1024
"""The largest frame from the fork server."""
SETUP_BYTES_MAX: Final = 4 * 1024 * 1024
"""The largest frame to it: a configuration, or the grains of a minion."""
AT_ONCE: Final = 2
"""Processes that render side by side."""
GIVEN_BYTES_MAX: Final = SETUP_BYTES_MAX + 1024
"""The largest frame to one of them."""
LIFE_S: Final = 1.0
"""After this a process is given nothing more."""


class LineMessage(msgspec.Struct, array_like=True, frozen=True, forbid_unknown_fields=True):
    """The base of all that is said on the line."""


class Setup(LineMessage, tag="setup", frozen=True):
    """How to render, from now on."""

    configuration: dict[str, Any]
    """`master.yaml` as a mapping."""
    configuration_file: str
    work_directory: str
    """Private to the master: for what templates keep while they render."""
    log_level: int
    wall_s: float = 10.0
    """How long one rendering may take."""
    memory_bytes: int = 512 * 1024 * 1024
    body_bytes_max: int = BODY_BYTES_MAX
    idle_s: float = 60.0
    """The fork server ends when it has had nothing to do for so long."""

    def __repr__(self) -> str:
        """Show nothing of the configuration: commands in it may hold passwords."""
        return f"Setup({self.configuration_file!r})"


class Render(LineMessage, tag="render", frozen=True):
    """Render a minion's pillar."""

    number: int
    minion: str
    """By its key. What the arguments say of an id counts for nothing."""
    arguments: bytes
    """MessagePack of `Wanted`."""


class Wanted(msgspec.Struct, frozen=True):
    """What a minion says when it asks for its pillar; read by the rendering, never by the master.

    Unknown names are ignored.
    """

    grains: dict[str, Any] = {}
    grains_json: bytes = b""
    """In place of `grains`: as they lie in the master's store."""
    saltenv: str | None = None
    pillarenv: str | None = None
    override: dict[str, Any] | None = None
    """Laid over pillar, for one run."""
    is_usual: bool = False
    """These are the environments that the minion is configured for: targets go by this pillar."""


class Rendered(LineMessage, tag="rendered", frozen=True):
    """A minion's pillar, or why there is none: the errors stand in the body."""

    number: int
    body: bytes
    """`limpet.states.pillar.body`."""
    digest: str
    """Its SHA-256, in hex."""
    is_usual: bool
    has_errors: bool
    problems: tuple[str, ...]
    """Lines for the master's log, secrets hidden."""


class Ready(LineMessage, tag="ready", frozen=True):
    """The fork server has loaded what it needs."""


class Given(LineMessage, tag="given", frozen=True):
    """What the fork server gives one of its processes to render; answered before the next one."""

    asked: Render
    asked_s: float
    """When the fork server had it, on the clock of `time.monotonic`."""


class Last(LineMessage, tag="last", frozen=True):
    """The process is to be given nothing more after what it renders now."""


class OfItsOwn(LineMessage, tag="of_its_own", frozen=True):
    """What was given has to be rendered by a process that has rendered nothing else."""


FromRenderer = Rendered | Last | OfItsOwn
FromMaster = Setup | Render
FromForkServer = Ready | Rendered
