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
        on_restored: Callable[[Turn], None],
    ) -> None:
        self.store_id = store_id
        self._secret = secret
        self._told = (-1, 0)
        """The last commit that was told of, and its number: a fleet at rest hears it each beat."""
        self.commit = Commit(0)
        """Nobody is told the id before this is durable."""
        self._chance = chance
        self._on_restored = on_restored

    def start(self, turn: Turn, *, is_restored: bool = False) -> None:
        """Give a new store its id, and another one to a store that was restored by command."""
        if not self.store_id or not self._secret:
            self._renew(turn)
        if is_restored:
            turn.keep(PutNote(RESTORED_NOTE, ""))
            self._begin_epoch(
                turn, "the store was restored from a backup; jobs that it had not sent are given up"
            )

    def told(self, commit: int) -> int:
        """Give the number that stands for a commit towards minions; grows with the commit."""
        if self._told[0] == commit:
            return self._told[1]
        seal = hashlib.blake2b(str(commit).encode(), key=self._secret.encode(), digest_size=4)
        number = commit << SEAL_BITS | int.from_bytes(seal.digest(), "big") >> (32 - SEAL_BITS)
        self._told = (commit, number)
        return number

    def _renew(self, turn: Turn) -> None:
        self.store_id = f"{self._chance.getrandbits(128):032x}"
        turn.keep(PutNote("store_id", self.store_id))
        self._secret = f"{self._chance.getrandbits(128):032x}"
        self._told = (-1, 0)
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
        self._begin_epoch(
            turn,
            f"a minion has seen commit {commit} of this store, which ends at {turn.durable}: the "
            "store was restored from a backup; jobs that it had not sent are given up",
        )

    def _begin_epoch(self, turn: Turn, text: str) -> None:
        old = self.store_id
        self._renew(turn)
        self._on_restored(turn)
        turn.report("error", "epoch", text)
        turn.publish(master_event("epoch", turn.now.wall, old=old, new=self.store_id), self.commit)
