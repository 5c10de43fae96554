"""Live output on its way to the master: bounded, counted where it is lost, never in anyone's way.

So many bytes may be under way as fit the window; what is under way is known by the beats: all that
was sent before a beat has arrived when its echo has. While the window is shut output is dropped.
"""

from collections import deque
from typing import Final

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import JobId
from limpet.common.messages.fields import OUTPUT_BYTES_MAX
from limpet.common.messages.jobs import Output
from limpet.minion.core.effects import Send
from limpet.minion.core.outbox import Outbox
from limpet.minion.sessions.greeting import Line

WINDOW_START_BYTES: Final = 16 * 1024
WINDOW_BYTES_MAX: Final = 128 * 1024
"""The window doubles while an echo takes less than a quarter of a beat, and halves else."""


class OutputStreams:
    """The output of all streamed jobs of this minion."""

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._line: Line | None = None
        self._under_way: deque[tuple[Instant, int]] = deque()
        self._bytes = 0
        self._window = WINDOW_START_BYTES
        self._sequences: dict[JobId, int] = {}
        self._dropped: dict[JobId, int] = {}

    @property
    def is_half_full(self) -> bool:
        """Say whether it is time to ask, by an early beat, what has arrived."""
        return self._bytes * 2 > self._window

    def on_ready(self, line: Line) -> None:
        """Send on this line from now on."""
        self._line = line
        self._window = WINDOW_START_BYTES

    def on_line_lost(self) -> None:
        """Drop what comes from now on."""
        self._line = None
        self._under_way.clear()
        self._bytes = 0

    def on_echo(self, now: Moment, left_at: Instant) -> None:
        """All sent before this instant has arrived."""
        if self._line is not None and self._under_way:
            if now.boot - left_at < self._line.beat_interval_s / 4:
                self._window = min(self._window * 2, WINDOW_BYTES_MAX)
            else:
                self._window = max(self._window // 2, WINDOW_START_BYTES)
        while self._under_way and self._under_way[0][0] <= left_at:
            self._bytes -= self._under_way.popleft()[1]

    def on_output(self, now: Moment, jid: JobId, data: bytes, dropped: int) -> None:
        """Send a piece, or count it as lost."""
        lost = self._dropped.get(jid, 0) + dropped
        for start in range(0, len(data), OUTPUT_BYTES_MAX):
            piece = data[start : start + OUTPUT_BYTES_MAX]
            if self._line is None or self._bytes + len(piece) > self._window:
                lost += len(piece)
                continue
            sequence = self._sequences.get(jid, 0)
            message = Output(self._line.session, jid, sequence, piece, lost)
            self._outbox.add(Send(self._line.attempt, message))
            self._sequences[jid] = sequence + 1
            self._under_way.append((now.boot, len(piece)))
            self._bytes += len(piece)
            lost = 0
        self._dropped[jid] = lost

    def on_ended(self, jid: JobId) -> None:
        """Forget a job; if bytes were lost after its last piece, say so."""
        lost = self._dropped.pop(jid, 0)
        sequence = self._sequences.pop(jid, 0)
        if lost and self._line is not None:
            message = Output(self._line.session, jid, sequence, b"", lost)
            self._outbox.add(Send(self._line.attempt, message))
