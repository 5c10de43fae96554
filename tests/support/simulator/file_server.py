"""The master's files and the threads that read them: slow at times, and the files may change.

Pillars too: each says whose it is.
"""

import hashlib
import random
from typing import TYPE_CHECKING

from limpet.common.messages.fields import Message
from limpet.common.messages.sources import CHANGED, Offer, Piece
from limpet.master.core import effects as do
from limpet.master.files.reads import (
    Found,
    Listed,
    LookUp,
    NameEnvironments,
    PieceRead,
    ReadPiece,
    Result,
    Work,
)
from limpet.master.pillar.messages import Rendered

if TYPE_CHECKING:
    from support.simulator.master_host import MasterHost

LISTING = b"a listing" * 3_000


def pillar_of(minion: str, copies: int) -> bytes:
    """Give the body of a minion's pillar; several copies make it one that has to be pulled."""
    return f"the pillar of {minion};".encode() * copies


class FileServer:
    """Reads for one master; what a dead master asked for is told to nobody."""

    def __init__(self, host: "MasterHost", chance: random.Random) -> None:
        self._host = host
        self._chance = chance
        self.files: dict[str, bytes] = {}
        self.versions: dict[str, bytes] = {}
        """Every body that was ever there, by its digest."""
        self.slowest_s = 0.05
        """A disk that is busy needs longer, by chance."""
        self.share_dropped = 0.0
        """How often an answer finds the queue of its peer full; never twice in a row."""
        self._has_dropped = False

    def put(self, name: str, body: bytes) -> None:
        """Write a file, or write another in its place."""
        self.files[name] = body
        self.versions[hashlib.sha256(body).hexdigest()] = body

    def drops(self, message: Message) -> bool:
        """Say whether this answer is not taken by the port."""
        if not isinstance(message, Offer | Piece):
            return False
        chance = self._chance.random()
        self._has_dropped = not self._has_dropped and chance < self.share_dropped
        return self._has_dropped

    def read(self, effect: do.ReadSource) -> None:
        """Do a piece of work; the file is looked at when it is done, not when it was asked for."""
        host, life, ticket = self._host, self._host.life, effect.ticket

        def done() -> None:
            if life == host.life:
                result = self._do(effect.work)
                host.step(lambda core: core.on_source_read(host.clock.now(), ticket, result))

        host.world.later(0.001 + self.slowest_s * self._chance.random() ** 3, done)

    def render(self, effect: do.Render) -> None:
        """Render a pillar; a fork server that has to be started again needs much longer."""
        host, life = self._host, self._host.life
        chance = random.Random(f"{self._host.world.seed} {effect.number} {life}")
        body = pillar_of(effect.minion, chance.choice((1, 10, 2_000)))
        digest = hashlib.sha256(body).hexdigest()
        rendered = Rendered(effect.number, body, digest, True, False, ())

        def done() -> None:
            if life == host.life:
                host.step(lambda core: core.on_rendered(host.clock.now(), rendered))

        delay_s = 0.02 + chance.random() ** 4 * chance.choice((0.1, 3.0, 11.0))
        host.world.later(delay_s, done)

    def _do(self, work: Work) -> Result:
        if isinstance(work, LookUp):
            body = self.files.get(work.name)
            if body is None:
                return Found(False)
            digest = hashlib.sha256(body).hexdigest()
            is_sent = digest != work.known and len(body) <= work.body_max
            return Found(True, digest, len(body), b"", body if is_sent else None)
        if isinstance(work, ReadPiece):
            body = self.files.get(work.name, b"")
            if hashlib.sha256(body).hexdigest() != work.digest:
                return PieceRead(b"", CHANGED)
            return PieceRead(body[work.offset : work.offset + work.size_max])
        listing = b"\x91\xa4base" if isinstance(work, NameEnvironments) else LISTING
        return Listed(True, listing, hashlib.sha256(listing).hexdigest())
