"""When the grains of this host are collected, and when they are sent.

First the link, then the grains: one that hangs costs no connectivity. They are collected once the
link is READY for the first time, when the master wants them, and when somebody asks for it.
"""

from typing import Final

from limpet.common.clock import Instant, Moment, to_micros
from limpet.common.messages.fields import GRAINS_BYTES_MAX
from limpet.common.messages.session import Grains
from limpet.minion.core.effects import CollectGrains, Send
from limpet.minion.core.notes import Notes
from limpet.minion.core.outbox import Outbox
from limpet.minion.sessions.greeting import Line
from limpet.minion.sessions.transitions import Transitions

COLLECTING_S: Final = 120.0
"""The shell's child is ended well before; without an answer the next chance is taken."""
IDLE_S: Final = 3600.0
TRY_AGAIN_S: Final = 300.0


class GrainsRefresh:
    """The grains of this host, on their way to the master."""

    __slots__ = (
        "_is_due",
        "_is_waiting",
        "_line",
        "_notes",
        "_outbox",
        "_transitions",
        "next_deadline",
    )

    def __init__(self, transitions: Transitions, notes: Notes, outbox: Outbox, now: Moment) -> None:
        self._transitions = transitions
        self._notes = notes
        self._outbox = outbox
        self._is_due = True
        """To be collected as soon as the link is READY."""
        self._is_waiting = False
        """A collection is under way, or has just failed: nothing is begun before the deadline."""
        self._line: Line | None = None
        """The session that was looked at."""
        self.next_deadline: Instant = now.after(IDLE_S)

    def on_event(self, now: Moment, line: Line) -> None:
        """Begin to collect if it is time; comes last in every event while the link is READY."""
        if self._line is not line:
            self._line = line
            self._is_due = self._is_due or self._transitions.wants_grains
        if self._is_due and not self._is_waiting:
            self._collect(now)

    def on_refresh(self, now: Moment) -> None:
        """Collect anew, connected or not."""
        self._collect(now)

    def on_grains(self, now: Moment, body: bytes, digest: str, problem: str) -> None:
        """Send what was collected, if the master has something else or asked for it."""
        if problem:
            self._outbox.warning("grains", f"grains: {problem}")
        if not body:
            self._is_due = True
            self._wait(now, TRY_AGAIN_S)
            return
        self._is_waiting = False
        self.next_deadline = now.after(IDLE_S)
        if len(body) > GRAINS_BYTES_MAX:
            text = f"{len(body)} bytes are over the limit of {GRAINS_BYTES_MAX}; they are not sent"
            self._outbox.error("grains size", f"grains: {text}")
            return
        is_news = digest != self._transitions.grains_digest or self._transitions.wants_grains
        line = self._transitions.ready
        if not is_news:
            return
        if line is None:
            self._is_due = True
            return
        at = max(0, to_micros(now.wall))
        self._outbox.add(Send(line.attempt, Grains(line.session, digest, body, at)))
        self._transitions.grains_digest = digest
        self._transitions.wants_grains = False
        self._notes.keep(grains_digest=digest)

    def on_deadline(self, now: Moment) -> None:
        """Stop waiting for an answer."""
        if now.boot >= self.next_deadline:
            self._is_waiting = False
            self.next_deadline = now.after(IDLE_S)

    def _collect(self, now: Moment) -> None:
        self._is_due = False
        self._wait(now, COLLECTING_S)
        self._outbox.add(CollectGrains())

    def _wait(self, now: Moment, seconds: float) -> None:
        self._is_waiting = True
        self.next_deadline = now.after(seconds)
