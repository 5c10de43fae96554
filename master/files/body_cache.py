"""Bodies that were made and not read from a file: kept for a while, so that they can be pulled."""

from collections import OrderedDict
from dataclasses import dataclass

from limpet.common.clock import FOREVER, Instant, Moment


@dataclass(slots=True)
class _Kept:
    body: bytes
    until: Instant


class BodyCache:
    """Keeps bodies by name and digest, each until nobody has pulled of it for a while."""

    def __init__(self, *, bytes_max: int, keep_s: float) -> None:
        """Bound what is kept; a body over `bytes_max` is kept all the same, but alone."""
        self._bytes_max = bytes_max
        self._keep_s = keep_s
        self._bodies: OrderedDict[tuple[str, str], _Kept] = OrderedDict()
        self.held_bytes = 0

    @property
    def next_deadline(self) -> Instant:
        """Give when `forget` has something to do; FOREVER: nothing is kept."""
        # Looked at in every turn of the core: what was asked for longest ago stands first.
        return next((kept.until for kept in self._bodies.values()), FOREVER)

    def put(self, now: Moment, name: str, digest: str, body: bytes) -> None:
        """Keep a body; the ones that were asked for longest ago make room."""
        self._drop((name, digest))
        while self._bodies and self.held_bytes + len(body) > self._bytes_max:
            self._drop(next(iter(self._bodies)))
        self._bodies[name, digest] = _Kept(body, now.after(self._keep_s))
        self.held_bytes += len(body)

    def get(self, now: Moment, name: str, digest: str) -> bytes | None:
        """Give a body and keep it for a while longer; None: it is not kept any more."""
        kept = self._bodies.pop((name, digest), None)
        if kept is None:
            return None
        kept.until = now.after(self._keep_s)
        self._bodies[name, digest] = kept  # to the end: it was asked for last
        return kept.body

    def forget(self, now: Moment) -> None:
        """Drop what nobody has pulled of for long enough."""
        while self._bodies and now.boot >= self.next_deadline:
            self._drop(next(iter(self._bodies)))

    def _drop(self, name: tuple[str, str]) -> None:
        kept = self._bodies.pop(name, None)
        if kept is not None:
            self.held_bytes -= len(kept.body)
