"""Bodies too large for one frame: how much of each is on disk, and what is asked for next.

BulkOffer ----------------> BulkAck(what is here), beginning anew for another digest
BulkChunk at that offset -> kept, BulkAck(more) after the commit
BulkChunk elsewhere ------> BulkAck(what is here)
no growth for ten minutes > dropped
"""

from limpet.common.identifiers import Commit, JobId, MinionId
from limpet.master.core.step import Step
from limpet.master.store.operations import DropChunks, Partial, PutChunk


class Body:
    """One body that is coming in."""

    __slots__ = ("commit", "digest", "have")

    def __init__(self, digest: str, have: int) -> None:
        self.digest = digest
        self.have = have
        self.commit = Commit(0)
        """`have` bytes are durable after this."""


class Bodies:
    """All bodies that are coming in."""

    def __init__(self, bytes_max: int, each_max: int) -> None:
        self._bytes_max = bytes_max
        self._each_max = each_max
        self._bodies: dict[tuple[MinionId, JobId], Body] = {}
        self._counts: dict[MinionId, int] = {}

    def __len__(self) -> int:
        return len(self._bodies)

    def restore(self, partial: Partial) -> None:
        """Take up what was on disk when the master ended."""
        self._put(partial.minion, partial.jid, Body(partial.digest, partial.have))

    def _put(self, minion: MinionId, jid: JobId, body: Body) -> None:
        if (minion, jid) not in self._bodies:
            self._counts[minion] = self._counts.get(minion, 0) + 1
        self._bodies[minion, jid] = body

    def _remove(self, minion: MinionId, jid: JobId) -> Body | None:
        body = self._bodies.pop((minion, jid), None)
        if body is not None:
            self._counts[minion] -= 1
            if not self._counts[minion]:
                del self._counts[minion]
        return body

    def on_offer(
        self, step: Step, minion: MinionId, jid: JobId, digest: str, total: int
    ) -> Body | None:
        """Give the body to go on with; None: too large, or too many at once."""
        body = self._bodies.get((minion, jid))
        if total > self._bytes_max:
            return None
        if body is None and self._counts.get(minion, 0) >= self._each_max:
            return None
        if body is None or body.digest != digest:
            if body is not None and body.have:  # the first one may come again, in other pieces
                step.keep(DropChunks(jid, minion))
            body = Body(digest, 0)
            self._put(minion, jid, body)
        return body

    def on_chunk(
        self, step: Step, minion: MinionId, jid: JobId, digest: str, offset: int, data: bytes
    ) -> Body | None:
        """Keep a piece if it is the next one; None: nobody offered it, or it is over the cap."""
        body = self._bodies.get((minion, jid))
        if body is None or body.digest != digest or offset + len(data) > self._bytes_max:
            return None
        if offset == body.have and data:
            body.have += len(data)
            body.commit = step.keep(PutChunk(jid, minion, digest, offset, data))
        return body

    def have(self, minion: MinionId, jid: JobId, digest: str) -> int:
        """Give how many bytes of the body with that digest are here."""
        body = self._bodies.get((minion, jid))
        return body.have if body is not None and body.digest == digest else 0

    def on_joined(self, minion: MinionId, jid: JobId) -> None:
        """Forget a body that has become a return's."""
        self._remove(minion, jid)

    def drop(self, step: Step, minion: MinionId, jid: JobId) -> None:
        """Drop what is here, on disk too; nothing happens if there is nothing."""
        if self._remove(minion, jid) is not None:
            step.keep(DropChunks(jid, minion))
