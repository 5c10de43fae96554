"""What the minion's core is told at its start; it never changes while the process lives.

Made by the shell from `minion.yaml`, the command line and the key files. No file is read here.
"""

from dataclasses import dataclass, field

from limpet.common.identifiers import MinionId
from limpet.common.messages.fields import PROTOCOL_MAX, PROTOCOL_MIN
from limpet.common.messages.trust import Trust

MAIN_PORT = 4506
"""Port of the master for minions with an accepted key (Salt's number)."""
ENROL_PORT = 4505
"""Port of the master for minions without one (Salt's number)."""


@dataclass(frozen=True, slots=True)
class JobLimits:
    """Bounds of what this minion takes on."""

    queued_max: int = 100
    """Jobs accepted and not started; one more is `refused`."""
    side_by_side_max: int = 8
    """Jobs running at the same time."""
    default_timeout_s: float = 24 * 3600.0
    """How long a job may run if its sender set no timeout."""
    timeout_s_max: float = 366 * 24 * 3600.0
    """No job may run longer, whatever its sender says."""
    return_bytes_max: int = 100 * 1024 * 1024
    """Cap of one return until the master has told its own."""
    remember_s: float = 7 * 24 * 3600.0
    """How long finished jids are remembered until the master has told its own."""

    def timeout_s(self, asked_s: float) -> float:
        """Give how long a job may run whose sender asks for this; 0: for nothing special."""
        return min(asked_s or self.default_timeout_s, self.timeout_s_max)


@dataclass(frozen=True, slots=True)
class MasterPlace:
    """One place where the master may be found."""

    host: str
    """Name or numeric address, without brackets."""
    port: int
    enrol_port: int


@dataclass(frozen=True, slots=True)
class HeldTrust:
    """What the master has announced of its keys, as it is kept. Keys are hex."""

    serial: int
    site: str
    """The site key that is pinned."""
    current: str
    following: tuple[str, ...]

    @classmethod
    def of(cls, trust: Trust) -> "HeldTrust":
        """Take what is kept of a message."""
        following = tuple(key.hex() for key in trust.following)
        return cls(trust.serial, trust.site.hex(), trust.current.hex(), following)

    def says(self, trust: Trust) -> bool:
        """Say whether a message says nothing new."""
        return self == HeldTrust.of(trust)


@dataclass(frozen=True, slots=True)
class LinkSettings:
    """Whom to talk to, as whom."""

    minion_id: MinionId
    master_host: str
    """Name or numeric address, without brackets."""
    server_key: str
    """The master's CURVE public key, 64 hex digits: that of the last session, or as told."""
    port: int = MAIN_PORT
    enrol_port: int = ENROL_PORT
    join_token_id: str = ""
    """Id of the token of the join string; empty: wait until somebody accepts the key."""
    version: str = ""
    protocol_min: int = PROTOCOL_MIN
    protocol_max: int = PROTOCOL_MAX
    limits: JobLimits = field(default_factory=JobLimits)
    trust: HeldTrust | None = None
    """What the master has announced of its keys."""
    others: tuple[MasterPlace, ...] = ()
    """More places of the same master; the next one is tried when one has failed."""

    def __post_init__(self) -> None:
        assert self.master_host
        assert 0 < self.port < 65536
        assert 0 < self.enrol_port < 65536
        assert self.limits.queued_max >= 1
        assert self.limits.side_by_side_max >= 1

    @property
    def places(self) -> tuple[MasterPlace, ...]:
        """Give all places of the master, in the order of trying."""
        return (MasterPlace(self.master_host, self.port, self.enrol_port), *self.others)
