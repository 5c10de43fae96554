"""One session with the master, from its Welcome on: SYNC page by page, then beats.

It says what came of a message; where the link goes from there is decided in `link.py`.
"""

from typing import Literal, Protocol

from limpet.common.clock import Instant, Moment, to_seconds
from limpet.common.identifiers import Attempt, JobId, SessionId
from limpet.common.messages.session import (
    Beat,
    MasterBeat,
    SyncAnswer,
    SyncEntry,
    SyncVerdict,
    Welcome,
)
from limpet.minion.core.effects import Send
from limpet.minion.core.notes import Notes
from limpet.minion.core.outbox import Outbox
from limpet.minion.sessions.greeting import Line, beat_interval_s
from limpet.minion.sessions.heartbeats import Heartbeats
from limpet.minion.sessions.master_clock import MasterClock
from limpet.minion.sessions.sync import SyncWalk


class JobSide(Protocol):
    """What the link asks of the jobs, and tells them."""

    condition: str
    """What ails the host, for the beat."""

    def sync_entries(self) -> list[SyncEntry]:
        """Give all that is unfinished or unacknowledged, as it stands on disk."""
        ...

    def on_verdict(self, now: Moment, line: Line, verdict: SyncVerdict) -> None:
        """Hear what the master says of one of them."""
        ...

    def on_ready(self, now: Moment, line: Line) -> None:
        """Hear that messages may be sent."""
        ...

    def on_line_lost(self) -> None:
        """Hear that they may not any more."""
        ...

    def on_echo(self, now: Moment, left_at: Instant) -> None:
        """Hear that all that was sent before this instant has arrived."""
        ...

    def running(self) -> tuple[JobId, ...]:
        """Name the jobs that run, the oldest first, at most 64."""
        ...


class Session:
    """What both sides have said since the Welcome."""

    __slots__ = ("_jobs", "_notes", "_outbox", "_walk", "beats", "clock", "line", "protocol")

    def __init__(
        self,
        now: Moment,
        attempt: Attempt,
        welcome: Welcome,
        *,
        asked: Instant,
        jobs: JobSide,
        notes: Notes,
        outbox: Outbox,
    ) -> None:
        interval_s = beat_interval_s(welcome)
        self.line = Line(attempt, SessionId(welcome.session), interval_s)
        self.protocol = welcome.protocol
        self.beats = Heartbeats(now, interval_s)
        self.clock = MasterClock()
        self.clock.on_answer(asked, now.boot, to_seconds(welcome.master_clock))
        self._jobs = jobs
        self._notes = notes
        self._outbox = outbox
        notes.keep(
            fleet=str(welcome.fleet),
            is_accepted="1",
            minion_id=welcome.minion_id,
            remember_s=str(int(to_seconds(welcome.remember))),
            return_bytes_max=str(welcome.return_bytes_max),
        )
        notes.on_store(now, welcome.store_id, welcome.store_commit)
        self._walk = SyncWalk(jobs.sync_entries())

    @property
    def page(self) -> int:
        """Give the page of SYNC that waits for its answer."""
        return self._walk.page

    def send_page(self) -> None:
        """Send the present page of SYNC."""
        self._outbox.add(Send(self.line.attempt, self._walk.message(self.line.session)))

    def on_sync_answer(
        self, now: Moment, answer: SyncAnswer
    ) -> Literal["ignored", "next_page", "done"]:
        """Hear the verdicts of a page; those of any but the present page are ignored."""
        if answer.page != self._walk.page:
            return "ignored"
        for verdict in answer.verdicts:
            self._jobs.on_verdict(now, self.line, verdict)
        return "next_page" if self._walk.on_answered() else "done"

    def beat(self, now: Moment) -> None:
        """Send a beat."""
        message = Beat(
            session=self.line.session,
            number=self.beats.on_leaving(now),
            echo=self.beats.heard,
            running=self._jobs.running(),
            condition=self._jobs.condition[:200],
        )
        self._outbox.add(Send(self.line.attempt, message))

    def beat_early(self, now: Moment) -> None:
        """Send a beat out of turn unless one is under way, to learn what has arrived."""
        if not self.beats.is_echo_awaited and self.beats.may_answer(now):
            self.beat(now)

    def on_master_beat(self, now: Moment, message: MasterBeat) -> None:
        """Take the echo as evidence, and answer if the master asks."""
        beats = self.beats
        is_question = message.echo <= beats.echoed and message.number > beats.heard
        left_at = beats.on_master_beat(message.number, message.echo)
        self._notes.on_store(now, self._notes.store_id, message.store_commit)
        if left_at is not None:
            self.clock.on_answer(left_at, now.boot, to_seconds(message.master_clock))
            self._jobs.on_echo(now, left_at)
        if is_question:
            if beats.may_answer(now):
                self.beat(now)
            else:
                beats.hurry()
