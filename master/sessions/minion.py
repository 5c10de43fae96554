"""What the master knows of one accepted minion besides its key row: presence and session.

never seen --Hello--> syncing --last page of SYNC--> ready
syncing, ready --session ended--> reconnecting --silence--> offline
(before a restart READY) reconnecting --Hello--> syncing    offline --Hello--> syncing
"""

from collections import Counter
from typing import Literal

import msgspec

from limpet.common.clock import Instant, Moment
from limpet.common.control.replies import MinionRow
from limpet.common.identifiers import Commit, JobId, MinionId, MinionKey, SessionId
from limpet.common.messages.fields import PROTOCOL_MAX
from limpet.common.messages.session import Hello
from limpet.master.core.effects import Peer
from limpet.master.sessions.rate_limits import Rates

Presence = Literal["ready", "syncing", "reconnecting", "offline", "never seen"]


class Greeting(msgspec.Struct, frozen=True, gc=False):
    """A Hello that is not answered yet, and where it came from."""

    hello: Hello
    peer: Peer
    address: str
    since: Instant


class Session:
    """One accepted greeting: from Welcome until the connection is lost or replaced."""

    __slots__ = (
        "answered_after",
        "beat_number",
        "boot_id",
        "echoed",
        "echoed_at",
        "has_trust",
        "heard_beat",
        "interval_s",
        "is_synced",
        "journal_id",
        "listed",
        "number",
        "page",
        "peer",
        "protocol",
        "sent_at",
        "sync_by",
    )

    def __init__(
        self,
        number: SessionId,
        greeting: Greeting,
        now: Moment,
        interval_s: float,
        sync_by: Instant,
    ) -> None:
        self.number = number
        self.peer = greeting.peer
        self.boot_id = greeting.hello.boot_id
        self.journal_id = greeting.hello.journal_id
        self.interval_s = interval_s
        """As told in Welcome."""
        self.protocol = min(greeting.hello.protocol_max, PROTOCOL_MAX)
        self.has_trust = False
        """It has kept the master's present announcement of its keys."""
        self.is_synced = False
        self.page = 0
        """The page of SYNC that comes next."""
        self.sync_by = sync_by
        """When that page must be here."""
        self.answered_after = Commit(0)
        """The answers of SYNC leave after this commit, and no delivery before them."""
        self.listed: set[JobId] = set()
        """What the minion holds, as far as SYNC has come."""
        self.beat_number = 0
        """The master's last beat."""
        self.echoed = 0
        self.echoed_at = now.boot
        """When a new echo of the master's beats was last heard."""
        self.heard_beat = 0
        """The minion's last beat."""
        self.sent_at = now.boot
        """When a beat was last sent."""


class Probe(msgspec.Struct, frozen=True, gc=False):
    """A second connection with another boot id, while the first is asked whether it lives."""

    greeting: Greeting
    number: int
    """A beat that echoes this number, or a later one, was sent after the probe came."""


class Minion:
    """One accepted minion."""

    __slots__ = (
        "_presence",
        "address",
        "boot_id",
        "condition",
        "heard",
        "key",
        "last_loss",
        "link_counter",
        "minion",
        "presences",
        "probe",
        "rates",
        "regreet_at",
        "running",
        "seen_s",
        "session",
        "since_s",
        "version",
        "waiting",
    )

    def __init__(
        self,
        minion: MinionId,
        key: MinionKey,
        rates: Rates,
        since_s: float,
        presences: Counter[Presence] | None = None,
    ) -> None:
        """`presences`: how many minions are how, kept up to date with this one's presence."""
        self.minion = minion
        self.key = key
        self.rates = rates
        self.presences: Counter[Presence] = Counter() if presences is None else presences
        self._presence: Presence = "never seen"
        self.presences[self._presence] += 1
        self.since_s = since_s
        """Wall time since when the presence is what it is."""
        self.heard = Instant(0.0)
        self.seen_s = 0.0
        """Wall time it was last heard; 0: never."""
        self.session: Session | None = None
        self.waiting: Greeting | None = None
        """Busy: the greeting whose turn has not come."""
        self.probe: Probe | None = None
        self.version = ""
        self.address = ""
        self.running: tuple[str, ...] = ()
        self.condition = ""
        self.last_loss = ""
        self.boot_id = ""
        self.link_counter = 0
        self.regreet_at = Instant(0.0)
        """No Regreet before this."""

    @property
    def presence(self) -> Presence:
        """Say whether it is there."""
        return self._presence

    @presence.setter
    def presence(self, presence: Presence) -> None:
        self.presences[self._presence] -= 1
        self._presence = presence
        self.presences[presence] += 1

    def leave(self) -> None:
        """Count no longer among those that are accepted."""
        self.presences[self._presence] -= 1
        self.presences = Counter({self._presence: 1})

    @property
    def ready_session(self) -> Session | None:
        """Give the session if jobs may be sent in it."""
        return self.session if self._presence == "ready" else None

    def shown(self, left_behind: str = "") -> MinionRow:
        """Give the line of `limpet minions`; an offline one's `since` is when it was last heard.

        `left_behind`: why it would not follow a rotation of the master's key.
        """
        is_away = self.presence in ("offline", "never seen")
        return MinionRow(
            self.minion,
            self.presence,
            self.seen_s if self.presence == "offline" else self.since_s,
            self.version,
            self.address,
            () if is_away else self.running,
            self.condition,
            self.last_loss,
            left_behind,
        )


def is_within_depth(value: object, depth_max: int) -> bool:
    """Say whether lists and mappings are nested at most so deep. Goes level by level, not down."""
    level = [value]
    for _ in range(depth_max + 1):
        below: list[object] = []
        for each in level:
            if isinstance(each, dict):
                below += each.values()
            elif isinstance(each, list):
                below += each
        if not below:
            return True
        level = below
    return False
