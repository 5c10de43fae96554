"""One job for one minion, from the request to its final status.

This file decides what one delivery is; when it is sent and who is told is the business of
`job_table.py`. The words are those on disk; what the user sees is `shown_status`.

    created  --journal of a session--> bound      (from here on it may have been sent)
    created  --ttl--> expired   --offline--> offline   --cancel--> cancelled   --key gone--> refused
    bound    --Accepted, SYNC--> accepted --Started, SYNC--> started
    bound    --ttl and more--> expired   --offline, no ttl asked--> offline
    bound, accepted, started  --journal replaced, key gone, away too long--> lost
    bound, accepted, started  --CancelAnswer `cancelled`--> cancelled
    any but a returned one    --Return--> ok | failed | interrupted | cancelled | refused | expired
    lost, offline, expired    --Accepted, Started, SYNC--> accepted | started  (known again)
"""

from typing import Final, Literal

import msgspec

from limpet.common.clock import FOREVER, Instant
from limpet.common.control.replies import MinionResult, Status
from limpet.common.identifiers import Commit, JobId, MinionId, MinionKey
from limpet.common.messages.jobs import Return
from limpet.master.store.operations import CORRECTABLE, DeliveryRow

SHOWN: Final[dict[str, Status]] = {
    "created": "queued",
    "bound": "queued",
    "accepted": "queued",
    "started": "running",
    "ok": "ok",
    "failed": "failed",
    "interrupted": "interrupted",
    "cancelled": "cancelled",
    "refused": "refused",
    "expired": "expired",
    "offline": "offline",
    "lost": "lost",
}
"""State words on disk to what the user is told."""

OPEN: Final = frozenset(("created", "bound", "accepted", "started"))
RUNNING: Final = frozenset(("accepted", "started"))

ARROWS: Final[dict[str, frozenset[str]]] = {
    "created": frozenset(
        ("bound", "expired", "offline", "cancelled", "refused", "ok", "failed", "interrupted")
    ),
    "bound": frozenset(SHOWN) - {"created", "bound"},
    "accepted": frozenset(SHOWN) - {"created", "bound", "accepted", "offline"},
    "started": frozenset(SHOWN) - {"created", "bound", "accepted", "started", "offline"},
    "lost": frozenset(SHOWN) - {"created", "bound", "offline", "lost"},
    "offline": frozenset(SHOWN) - {"created", "bound", "offline"},
    "expired": frozenset(SHOWN) - {"created", "bound", "offline", "expired"},
}
"""Where a delivery may go; words that are not here are ends."""

Settled = Literal["offline", "expired", "lost", "refused", "cancelled"]


def shown_status(state: str) -> Status:
    """Give what the user is told for a word on disk."""
    return SHOWN[state]


def result_of(row: DeliveryRow, body: bytes | None) -> MinionResult:
    """Show a stored delivery with its body, as the store answers readers."""
    return MinionResult(
        row.minion,
        SHOWN[row.state],
        row.since_s,
        row.error,
        row.retcode,
        body,
        row.started_s,
        row.duration_s,
        row.is_cut,
    )


class Delivery(msgspec.Struct, eq=False, gc=False):
    """One job on its way to one minion, or over."""

    jid: JobId
    minion: MinionId
    key: MinionKey
    expires_s: float
    """Wall time; 0: a default ttl that begins when the turn of this delivery comes (batch)."""
    since_s: float
    expires_at: Instant = FOREVER
    """`expires_s` on CLOCK_BOOTTIME, which no change of the wall clock moves."""
    resend_at: Instant = FOREVER
    state: str = "created"
    is_open: bool = True
    """No final status is known: the state is one of `OPEN`."""
    journal_id: str = ""
    cancel: str = ""
    error: str = ""
    retcode: int = 0
    started_s: float = 0.0
    duration_s: float = 0.0
    body_bytes: int = 0
    is_cut: bool = False
    commit: Commit = Commit(0)
    """The commit that makes this delivery, as it is now, durable."""
    is_in_flight: bool = False
    """Sent in the present session and not answered."""
    is_listed: bool = False
    """The minion has named it in a SYNC, so its journal has it (not kept on disk)."""
    is_returned: bool = False
    """Its end is the minion's word, not the master's verdict (not kept on disk)."""

    @classmethod
    def from_row(cls, row: DeliveryRow) -> "Delivery":
        """Take a delivery up again after a restart."""
        return cls(
            row.jid,
            row.minion,
            row.key,
            row.expires_s,
            row.since_s,
            state=row.state,
            is_open=row.state in OPEN,
            journal_id=row.journal_id,
            cancel=row.cancel,
            error=row.error,
            retcode=row.retcode,
            started_s=row.started_s,
            duration_s=row.duration_s,
            body_bytes=row.body_bytes,
            is_cut=row.is_cut,
            is_returned=row.state not in OPEN and row.state not in CORRECTABLE,
        )

    def row(self) -> DeliveryRow:
        """Give what is kept on disk."""
        return DeliveryRow(
            self.jid,
            self.minion,
            self.key,
            self.state,
            self.journal_id,
            self.expires_s,
            self.since_s,
            self.cancel,
            self.error,
            self.retcode,
            self.started_s,
            self.duration_s,
            self.body_bytes,
            self.is_cut,
        )

    def result(self, body: bytes | None = None) -> MinionResult:
        """Give what the user is told now."""
        return MinionResult(
            self.minion,
            SHOWN[self.state],
            self.since_s,
            self.error,
            self.retcode,
            body,
            self.started_s,
            self.duration_s,
            self.is_cut,
        )

    @property
    def status(self) -> Status:
        """Give the status that the user is told."""
        return SHOWN[self.state]

    @property
    def is_correctable(self) -> bool:
        """Say whether a late word of the minion may still change a final status."""
        return self.state in CORRECTABLE and bool(self.journal_id) and not self.is_returned

    def awaits_ack(self, said: Return) -> bool:
        """Say whether the minion keeps this return until it is acknowledged.

        What a minion answers by itself (`test.ping`, a refusal) is in no journal of its, and it has
        not said that it accepted it. Where it did and that word was lost, the return comes again,
        and is acknowledged then: an end that is known already always is.
        """
        return self.state != "bound" or self.is_listed or bool(said.bulk_digest)

    def _go(self, state: str, wall_s: float) -> None:
        assert state in ARROWS.get(self.state, ()), f"{self.state} -> {state}"
        self.state = state
        self.is_open = state in OPEN
        self.since_s = wall_s

    def bind(self, journal_id: str, wall_s: float) -> None:
        """Bind to a minion's journal: from the commit of this on it may be sent, to that alone."""
        assert journal_id
        since_s = self.since_s
        self._go("bound", wall_s)
        self.since_s = since_s  # the user sees `queued` all the time
        self.journal_id = journal_id

    def on_accepted(self, wall_s: float) -> bool:
        """Take note that the minion has it on disk. Says whether that is news."""
        if self.state == "bound" or self.is_correctable:
            self._go("accepted", wall_s)
            self.error = ""
            return True
        return False

    def on_started(self, started_s: float, wall_s: float) -> bool:
        """Take note that it runs. Says whether that is news."""
        if self.state in ("bound", "accepted") or self.is_correctable:
            self._go("started", wall_s)
            self.error = ""
            self.started_s = started_s
            return True
        return False

    def on_return(self, said: Return, wall_s: float) -> bool:
        """Take the minion's final word. Says whether it is the first one."""
        if not self.is_open and not self.is_correctable:
            return False
        if said.outcome == self.state:  # `expired` here and there: now the minion says so too
            self.since_s = wall_s
        else:
            self._go(said.outcome, wall_s)
        self.is_returned = True
        if self.cancel:
            self.cancel = "answered"
        self.error = said.error
        self.retcode = said.retcode
        self.started_s = said.started_at / 1_000_000
        self.duration_s = said.duration / 1_000_000
        self.body_bytes = said.bulk_bytes if said.bulk_digest else len(said.body)
        self.is_cut = said.is_cut
        return True

    def settle(self, state: Settled, error: str, since_s: float) -> None:
        """End it by the master's verdict, with the reason for the user."""
        assert self.is_open
        self._go(state, since_s)
        self.error = error

    def on_cancelled(self, wall_s: float) -> bool:
        """Take note that the minion will never run it. Says whether that is news."""
        if not self.is_open and not self.is_correctable:
            return False
        self._go("cancelled", wall_s)
        self.is_returned = True
        if self.cancel:
            self.cancel = "answered"
        self.error = ""
        return True

    def on_cancel_answered(self) -> bool:
        """Take note that the cancel is in the minion's journal. Says whether that is news."""
        if self.cancel != "wanted":
            return False
        self.cancel = "answered"
        return True

    def want_cancel(self) -> bool:
        """Ask for its end at the minion. Says whether that is news."""
        if self.cancel or not (self.is_open or self.is_correctable) or self.state == "created":
            return False
        self.cancel = "wanted"
        return True
