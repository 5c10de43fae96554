"""How long to wait before the next attempt: longer with each that failed soon after the last."""

from limpet.common.clock import Instant


class Backoff:
    """Attempts that are made for ever, at growing intervals. No clock, no sleep."""

    def __init__(self, *, first_s: float, max_s: float, settled_s: float) -> None:
        """Begin with an attempt at once; what lived for `settled_s` starts the waits afresh."""
        assert 0 < first_s <= max_s
        self.next_at = Instant(0.0)
        """When the next attempt is due."""
        self._first_s = first_s
        self._max_s = max_s
        self._settled_s = settled_s
        self._wait_s = first_s
        self._began_at = Instant(0.0)

    @property
    def began_at(self) -> Instant:
        """When the last attempt began."""
        return self._began_at

    def on_begun(self, now: Instant) -> None:
        """Take note of an attempt; it lives from here."""
        self._began_at = now

    def on_failed(self, now: Instant) -> None:
        """Set the time of the next attempt: this one came to nothing."""
        self._began_at = now
        self.on_ended(now)

    def on_ended(self, now: Instant) -> None:
        """Set the time of the next attempt: what the last one began is over."""
        if now - self._began_at >= self._settled_s:
            self._wait_s = self._first_s
        self.next_at = Instant(now + self._wait_s)
        self._wait_s = min(self._wait_s * 2, self._max_s)
