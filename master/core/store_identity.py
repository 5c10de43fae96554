"""Which store this is, and how it is noticed that an older copy of it was brought back.

Minions echo the highest commit that they were told of. One above the store's own can only mean
that the store went back in time: a new epoch begins, with a new store id, and what the old one
still wanted to send is never sent.

The number that minions are told carries a seal below the commit, made with a secret of the store:
a minion can repeat it but not make one up, else a single hostile one could end the others' jobs.
"""

import hashlib
import random
from collections.abc import Callable
from typing import Final

from limpet.common.identifiers import Commit
from limpet.master.core.step import Step
from limpet.master.events.tags import master_event
from limpet.master.store.operations import PutNote

RESTORED_NOTE: Final = "restored_s"
"""When `limpet master restore` put this store here; empty: that has been heeded."""
SEAL_BITS: Final = 20
"""A commit has the 33 bits above: eight thousand million of them."""


class StoreIdentity:
    """The store's id, and the sealed numbers of its commits."""

    def __init__(
        self,
        store_id: str,
        secret: str,
        chance: random.Random,
        on_restored: Callable[[Step], None],
    ) -> None:
        self.store_id = store_id
        self._secret = secret
        self._told = (-1, 0)
        """The last commit that was told of, and its number: a fleet at rest hears it each beat."""
        self.commit = Commit(0)
        """Nobody is told the id before this is durable."""
        self._chance = chance
        self._on_restored = on_restored

    def start(self, step: Step, *, is_restored: bool = False) -> None:
        """Give a new store its id, and another one to a store that was restored by command."""
        if not self.store_id or not self._secret:
            self._renew(step)
        if is_restored:
            step.keep(PutNote(RESTORED_NOTE, ""))
            self._begin_epoch(
                step, "the store was restored from a backup; jobs that it had not sent are given up"
            )

    def told(self, commit: int) -> int:
        """Give the number that stands for a commit towards minions; grows with the commit."""
        if self._told[0] == commit:
            return self._told[1]
        seal = hashlib.blake2b(str(commit).encode(), key=self._secret.encode(), digest_size=4)
        number = commit << SEAL_BITS | int.from_bytes(seal.digest(), "big") >> (32 - SEAL_BITS)
        self._told = (commit, number)
        return number

    def _renew(self, step: Step) -> None:
        self.store_id = f"{self._chance.getrandbits(128):032x}"
        step.keep(PutNote("store_id", self.store_id))
        self._secret = f"{self._chance.getrandbits(128):032x}"
        self._told = (-1, 0)
        step.keep(PutNote("store_secret", self._secret))
        self.commit = step.keep(PutNote("epoch_s", repr(step.now.wall)))

    def on_store_seen(self, step: Step, store_id: str, told: int) -> None:
        """Compare what a minion was told with what is durable here."""
        commit = told >> SEAL_BITS
        if store_id != self.store_id or commit <= step.durable:
            return
        if told != self.told(commit):
            step.count("bad_seal")
            return
        self._begin_epoch(
            step,
            f"a minion has seen commit {commit} of this store, which ends at {step.durable}: the "
            "store was restored from a backup; jobs that it had not sent are given up",
        )

    def _begin_epoch(self, step: Step, text: str) -> None:
        old = self.store_id
        self._renew(step)
        self._on_restored(step)
        step.report("error", "epoch", text)
        step.publish(master_event("epoch", step.now.wall, old=old, new=self.store_id), self.commit)
