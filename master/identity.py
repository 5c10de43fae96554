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
from limpet.master.events.making import master_event
from limpet.master.store.operations import PutNote
from limpet.master.turn import Turn

SEAL_BITS: Final = 20
"""A commit has the 33 bits above: eight thousand million of them."""


class StoreIdentity:
    """The store's id, and the sealed numbers of its commits."""

    def __init__(
        self,
        store_id: str,
        secret: str,
        chance: random.Random,
        on_restored: Callable[[Turn], None],
    ) -> None:
        self.store_id = store_id
        self._secret = secret
        self.commit = Commit(0)
        """Nobody is told the id before this is durable."""
        self._chance = chance
        self._on_restored = on_restored

    def start(self, turn: Turn) -> None:
        """Give a new store its id."""
        if not self.store_id or not self._secret:
            self._renew(turn)

    def told(self, commit: int) -> int:
        """Give the number that stands for a commit towards minions; grows with the commit."""
        seal = hashlib.blake2b(str(commit).encode(), key=self._secret.encode(), digest_size=4)
        return commit << SEAL_BITS | int.from_bytes(seal.digest(), "big") >> (32 - SEAL_BITS)

    def _renew(self, turn: Turn) -> None:
        self.store_id = f"{self._chance.getrandbits(128):032x}"
        turn.keep(PutNote("store_id", self.store_id))
        self._secret = f"{self._chance.getrandbits(128):032x}"
        turn.keep(PutNote("store_secret", self._secret))
        self.commit = turn.keep(PutNote("epoch_s", repr(turn.now.wall)))

    def on_store_seen(self, turn: Turn, store_id: str, told: int) -> None:
        """Compare what a minion was told with what is durable here."""
        commit = told >> SEAL_BITS
        if store_id != self.store_id or commit <= turn.durable:
            return
        if told != self.told(commit):
            turn.count("bad_seal")
            return
        old = self.store_id
        self._renew(turn)
        self._on_restored(turn)
        turn.report(
            "error",
            "epoch",
            f"a minion has seen commit {commit} of this store, which ends at {turn.durable}: the "
            "store was restored from a backup; jobs that it had not sent are given up",
        )
        turn.publish(master_event("epoch", turn.now.wall, old=old, new=self.store_id), self.commit)
