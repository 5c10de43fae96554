"""What happens at the main port, handed to the one that it concerns.

A key that is not accepted now is not heard. What is over its minion's rate is dropped, and whoever
goes on without end is cut off. All but a greeting and what came of jobs counts within the present
session only.
"""

from limpet.common.messages.jobs import (
    Accepted,
    BulkChunk,
    BulkOffer,
    CancelAnswer,
    Output,
    Return,
    Started,
)
from limpet.common.messages.session import Beat, Grains, Hello, SyncPage
from limpet.common.messages.sources import Ask, Pull
from limpet.common.messages.trust import TrustAck
from limpet.common.wire.codec import FromMinion
from limpet.master.core.effects import Peer
from limpet.master.core.port_events import BadFrame, PortEvent, Received
from limpet.master.core.step import Step
from limpet.master.files.requests import FileRequests
from limpet.master.jobs.reports import OVERHEAD_BYTES, JobReports
from limpet.master.master_keys.announcements import Announcements
from limpet.master.master_keys.rotation import MasterRotation
from limpet.master.pillar.requests import PillarRequests
from limpet.master.sessions.greeting import Greeter
from limpet.master.sessions.minion import Minion
from limpet.master.sessions.registry import MinionRegistry
from limpet.master.sessions.session import SessionHandler


class Dispatcher:
    """Hears minions, one message at a time."""

    def __init__(
        self,
        *,
        registry: MinionRegistry,
        greeter: Greeter,
        session_handler: SessionHandler,
        reports: JobReports,
        sources: FileRequests,
        pillar: PillarRequests,
        announcements: Announcements,
        rotation: MasterRotation,
    ) -> None:
        """Take over those to whom messages go."""
        self._registry = registry
        self._greeter = greeter
        self._session_handler = session_handler
        self._reports = reports
        self._sources = sources
        self._pillar = pillar
        self._announcements = announcements
        self._rotation = rotation

    def hear(self, step: Step, event: PortEvent) -> None:
        """Take what happened at the port."""
        if isinstance(event, Received):
            self._on_heard(step, event)
        elif isinstance(event, BadFrame):
            self._on_bad_frame(step, event)
        else:
            self._session_handler.on_peer_gone(step, event.peer)

    def _on_heard(self, step: Step, heard: Received) -> None:
        """Hear a minion. A key that is not accepted now has its connection shut."""
        peer, message = heard.peer, heard.message
        minion = self._registry.by_key.get(heard.key)
        if minion is None:
            step.count("revoked_key")
            step.disconnect(peer, "revoked_key")
        elif not self._is_within_rate(step, minion, message):
            self._drop(step, peer, minion, message)
        elif isinstance(message, Return):
            self._reports.on_return(step, peer, minion, message)
        elif isinstance(message, Hello):
            self._greeter.on_hello(step, peer, minion, heard.address, message)
        elif isinstance(message, (BulkOffer, BulkChunk)):
            self._reports.on_bulk(step, peer, minion, message)
        else:
            self._hear_in_session(step, peer, minion, message)

    def _on_bad_frame(self, step: Step, bad: BadFrame) -> None:
        """Count a frame that could not be decoded; the conversation goes on."""
        minion = self._registry.by_key.get(bad.key)
        step.count(bad.reason)
        if minion is None:
            step.disconnect(bad.peer, "revoked_key")
        else:
            text = f"a frame of {minion.minion} was dropped: {bad.reason}"
            step.report("warning", f"frame {minion.minion} {bad.reason}", text)

    def _drop(self, step: Step, peer: Peer, minion: Minion, message: FromMinion) -> None:
        """Drop what is over the rate; whoever goes on without end costs the others their time."""
        step.count("rate")
        is_bulk = isinstance(message, Return | BulkChunk)  # honest ones come to that, too
        if not is_bulk and not minion.rates.take("flood", step.now.boot):
            step.count("flood")
            step.disconnect(peer, "flood")
            text = f"{minion.minion} sends without end, and is cut off: see what runs there"
            step.report("warning", f"flood {minion.minion}", text)

    def _is_within_rate(self, step: Step, minion: Minion, message: FromMinion) -> bool:
        now = step.now.boot
        if isinstance(message, Return):
            return minion.rates.take("bytes", now, len(message.body) + OVERHEAD_BYTES)
        if isinstance(message, BulkChunk):
            return minion.rates.take("bytes", now, len(message.data) + OVERHEAD_BYTES)
        return minion.rates.take(type(message).__name__, now)

    def _hear_in_session(
        self,
        step: Step,
        peer: Peer,
        minion: Minion,
        message: Beat
        | SyncPage
        | Grains
        | Accepted
        | Started
        | CancelAnswer
        | Output
        | Ask
        | Pull
        | TrustAck,
    ) -> None:
        session = self._session_handler.session_of(step, peer, minion, message.session)
        if session is None:
            return
        self._registry.heard(step, minion)
        match message:
            case Beat():
                self._session_handler.on_beat(step, minion, session, message)
            case Accepted():
                self._reports.on_accepted(step, minion, message)
            case Started():
                self._reports.on_started(step, minion, message)
            case Output():
                self._reports.on_output(step, minion, message)
            case CancelAnswer():
                self._reports.on_cancel_answer(step, minion, message)
            case SyncPage():
                self._session_handler.on_sync_page(step, minion, session, message)
            case Grains():
                self._session_handler.on_grains(step, minion, session, message)
            case TrustAck():
                self._announcements.on_ack(step, minion, session, message)
                self._rotation.on_ack(step, minion)
            case Ask(kind="pillar"):
                self._pillar.on_ask(step, minion, session, message)
            case Ask():
                self._sources.on_ask(step, minion, session, message)
            case Pull(kind="pillar"):
                self._pillar.on_pull(step, minion, session, message)
            case Pull():
                self._sources.on_pull(step, minion, session, message)
