"""What the minion keeps of its master from one start to the next: notes in the journal, typed.

A note that cannot be read back counts as absent: everything here is told anew by the next Welcome.
"""

from collections.abc import Mapping
from typing import Final

from limpet.common.clock import Moment
from limpet.minion.core.outbox import Outbox
from limpet.minion.core.settings import JobLimits
from limpet.minion.journal.records import Note

STORE_COMMIT_EVERY_S: Final = 60.0
"""The highest commit of the master grows with every job; it is written this often at most."""

ADDRESSES_KEPT: Final = 4


class Notes:
    """The notes, and the writing of those that change."""

    def __init__(self, notes: Mapping[str, str], limits: JobLimits, outbox: Outbox) -> None:
        self._notes = dict(notes)
        self._outbox = outbox
        self._limits = limits
        self._store_written: Moment | None = None
        self.store_id = self._notes.get("store_id", "")
        self.store_commit = self._count("store_commit", 0)
        self.fleet = 1
        """The number of accepted minions, as the master last told it."""
        self.is_accepted = False
        """Whether this minion's key has ever been accepted."""
        self._learn()

    @property
    def addresses(self) -> tuple[str, ...]:
        """Give the addresses of the master at the last READY, the one that worked first."""
        return tuple(filter(None, self._notes.get("addresses", "").split(" ")))

    @property
    def grains_digest(self) -> str:
        """Give the digest of the grains that the master was last sent."""
        digest = self._notes.get("grains_digest", "")
        return digest if len(digest) in (0, 64) else ""

    @property
    def remember_s(self) -> float:
        """Give how long finished jids must be remembered."""
        return float(self._count("remember_s", int(self._limits.remember_s)))

    @property
    def return_bytes_max(self) -> int:
        """Give the cap of one job's return."""
        return self._count("return_bytes_max", self._limits.return_bytes_max)

    def keep(self, **values: str) -> None:
        """Write those notes that differ from what is kept, in one commit."""
        changed = {name: value for name, value in values.items() if self._notes.get(name) != value}
        if changed:
            self._notes.update(changed)
            self._learn()
            self._outbox.persist(*(Note(name, value) for name, value in changed.items()))

    def keep_address(self, address: str) -> None:
        """Note the address that worked, before those that worked earlier."""
        rest = [known for known in self.addresses if known != address]
        self.keep(addresses=" ".join([address, *rest][:ADDRESSES_KEPT]))

    def on_store(self, now: Moment, store_id: str, commit: int) -> None:
        """Note the highest commit of the master's store that was told of."""
        if store_id != self.store_id:
            self.store_id = store_id
            self.store_commit = commit
        elif commit > self.store_commit:
            self.store_commit = commit
        else:
            return
        written = self._store_written
        if (
            written is None
            or self._notes.get("store_id") != store_id
            or now.boot - written.boot >= STORE_COMMIT_EVERY_S
        ):
            self._store_written = now
            self.keep(store_id=store_id, store_commit=str(self.store_commit))

    def _learn(self) -> None:
        """Take over what is asked for at each attempt."""
        self.fleet = max(1, self._count("fleet", 1))
        self.is_accepted = bool(self._notes.get("is_accepted"))

    def _count(self, name: str, default: int) -> int:
        text = self._notes.get(name, "")
        return int(text) if text.isascii() and text.isdigit() and len(text) <= 16 else default
