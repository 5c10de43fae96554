"""What is on its way to minions, over all of them, so that a herd fills neither memory nor line.

Bytes count from the reading on until their minion speaks again, which an honest one does as soon as
it has them, or for a moment: whoever does not read has only so much sent
(`limpet.master.process.send_backlog`).
"""

from collections import OrderedDict

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.identifiers import MinionKey


class InFlight:
    """Counts bytes by minion; the counts that were begun longest ago stand first."""

    def __init__(self, bytes_max: int, keep_s: float) -> None:
        """Let `bytes_max` be under way, the last of them going over it; `keep_s`: a moment."""
        assert bytes_max > 0
        self._bytes_max = bytes_max
        self._keep_s = keep_s
        self._of: OrderedDict[MinionKey, tuple[int, Instant]] = OrderedDict()
        """Bytes, and until when they count."""
        self.held_bytes = 0

    @property
    def next_deadline(self) -> Instant:
        """Give when there may be room without anybody speaking; FOREVER: there is room."""
        if self.held_bytes < self._bytes_max:
            return FOREVER
        return next((until for _, until in self._of.values()), FOREVER)

    def has_room(self, now: Moment) -> bool:
        """Say whether more may be sent now."""
        while self.held_bytes >= self._bytes_max and self.next_deadline <= now.boot:
            self.arrived(next(iter(self._of)))
        return self.held_bytes < self._bytes_max

    def add(self, now: Moment, key: MinionKey, size: int) -> None:
        """Count bytes for a minion, with those that are under way to it.

        Counts whose moment is over go: those who never speak again would be counted for ever.
        """
        while self._of and next(iter(self._of.values()))[1] <= now.boot:
            self.arrived(next(iter(self._of)))
        before, _ = self._of.pop(key, (0, FOREVER))
        self._of[key] = (before + size, now.after(self._keep_s))
        self.held_bytes += size

    def arrived(self, key: MinionKey) -> Instant | None:
        """Take note that a minion has what was sent, or that it comes to nothing.

        Gives since when the last of it was under way; None: it does not count any more.
        """
        found = self._of.pop(key, None)
        if found is None:
            return None
        size, until = found
        self.held_bytes -= size
        return Instant(until - self._keep_s)
