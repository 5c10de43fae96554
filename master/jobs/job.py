"""One command with its deliveries, and one minion's share of all commands. Plain data."""

from collections import OrderedDict, deque
from collections.abc import Iterable

import msgspec

from limpet.common.control.replies import JobStored
from limpet.common.identifiers import Commit, JobId, MinionId
from limpet.master.jobs.delivery import Delivery
from limpet.master.store.operations import JobRow


class Job:
    """One command."""

    __slots__ = ("active", "commit", "deliveries", "held", "is_old", "open", "row", "waiting")

    def __init__(self, row: JobRow, deliveries: Iterable[Delivery] = ()) -> None:
        self.row = row
        self.is_old = False
        """Was in the store when this master started."""
        self.deliveries: dict[MinionId, Delivery] = {}
        self.open = 0
        """Deliveries without a final status."""
        self.active = 0
        """Deliveries that are bound or running: what a batch counts."""
        self.held = 0
        """Deliveries that keep an ended job in memory: correctable, or with a cancel wanted."""
        self.waiting: OrderedDict[MinionId, Delivery] = OrderedDict()
        """Batch: created ones whose minion was READY; looked at again when their turn comes."""
        self.commit = Commit(0)
        """The commit that makes all that is known here durable."""
        for delivery in deliveries:
            self.add(delivery)

    def add(self, delivery: Delivery) -> None:
        """Take one more delivery in."""
        self.deliveries[delivery.minion] = delivery
        self.count(delivery, 1)

    def count(self, delivery: Delivery, step: int) -> None:
        """Count a delivery in (1) after, or out (-1) before, it changes."""
        if delivery.is_open:
            self.open += step
            if delivery.state != "created":
                self.active += step
        elif delivery.is_correctable:
            self.held += step
            return
        if delivery.cancel == "wanted":
            self.held += step

    @property
    def jid(self) -> JobId:
        """Give its id."""
        return self.row.jid

    @property
    def has_room(self) -> bool:
        """Say whether the batch has room for one more."""
        return not self.row.batch_size or self.active < self.row.batch_size

    def mark(
        self,
        *,
        ended_s: float | None = None,
        is_cancelled: bool | None = None,
        arguments: bytes | None = None,
    ) -> JobRow:
        """Change the row; gives the new one."""
        row = self.row
        self.row = msgspec.structs.replace(
            row,
            ended_s=row.ended_s if ended_s is None else ended_s,
            arguments=row.arguments if arguments is None else arguments,
            is_cancelled=row.is_cancelled if is_cancelled is None else is_cancelled,
        )
        return self.row

    def stored(self) -> JobStored:
        """Show what is known, without bodies: for a job that has none yet."""
        row = self.row
        return JobStored(
            row.jid,
            row.function,
            row.target,
            row.user,
            row.created_s,
            tuple(each.result() for _minion, each in sorted(self.deliveries.items())),
            row.ended_s > 0,
        )


class Lane(msgspec.Struct, eq=False, gc=False):
    """What is on its way to one minion."""

    open: dict[JobId, Delivery] = {}
    """Its deliveries without a final status."""
    cancels: dict[JobId, Delivery] = {}
    """Its deliveries whose end is wanted and not acknowledged."""
    flight: int = 0
    """Sent in this session and not answered."""
    backlog: deque[Delivery] = msgspec.field(default_factory=deque)
    """Bound ones to be sent in this session, in order; looked at again when taken."""

    @property
    def is_empty(self) -> bool:
        """Say whether nothing is known of this minion."""
        return not self.open and not self.cancels
