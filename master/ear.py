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
from limpet.master.effects import Peer
from limpet.master.heard import BadFrame, Heard, PortEvent
from limpet.master.jobs.hearing import OVERHEAD_BYTES, Hearing
from limpet.master.pillar.desk import PillarDesk
from limpet.master.rotation.followers import Followers
from limpet.master.rotation.machine import MasterRotation
from limpet.master.sessions.door import Door
from limpet.master.sessions.minion import Minion
from limpet.master.sessions.roster import Roster
from limpet.master.sessions.talk import Talk
from limpet.master.sources.desk import SourceDesk
from limpet.master.turn import Turn


class Ear:
    """Hears minions, one message at a time."""

    def __init__(
        self,
        *,
        roster: Roster,
        door: Door,
        talk: Talk,
        hearing: Hearing,
        sources: SourceDesk,
        pillar: PillarDesk,
        followers: Followers,
        rotation: MasterRotation,
    ) -> None:
        """Take over those to whom messages go."""
        self._roster = roster
        self._door = door
        self._talk = talk
        self._hearing = hearing
        self._sources = sources
        self._pillar = pillar
        self._followers = followers
        self._rotation = rotation

    def hear(self, turn: Turn, event: PortEvent) -> None:
        """Take what happened at the port."""
        if isinstance(event, Heard):
            self._on_heard(turn, event)
        elif isinstance(event, BadFrame):
            self._on_bad_frame(turn, event)
        else:
            self._talk.on_peer_gone(turn, event.peer)

    def _on_heard(self, turn: Turn, heard: Heard) -> None:
        """Hear a minion. A key that is not accepted now has its connection shut."""
        peer, message = heard.peer, heard.message
        minion = self._roster.by_key.get(heard.key)
        if minion is None:
            turn.count("revoked_key")
            turn.disconnect(peer, "revoked_key")
        elif not self._is_within_rate(turn, minion, message):
            self._drop(turn, peer, minion, message)
        elif isinstance(message, Return):
            self._hearing.on_return(turn, peer, minion, message)
        elif isinstance(message, Hello):
            self._door.on_hello(turn, peer, minion, heard.address, message)
        elif isinstance(message, (BulkOffer, BulkChunk)):
            self._hearing.on_bulk(turn, peer, minion, message)
        else:
            self._hear_in_session(turn, peer, minion, message)

    def _on_bad_frame(self, turn: Turn, bad: BadFrame) -> None:
        """Count a frame that could not be decoded; the conversation goes on."""
        minion = self._roster.by_key.get(bad.key)
        turn.count(bad.reason)
        if minion is None:
            turn.disconnect(bad.peer, "revoked_key")
        else:
            text = f"a frame of {minion.minion} was dropped: {bad.reason}"
            turn.report("warning", f"frame {minion.minion} {bad.reason}", text)

    def _drop(self, turn: Turn, peer: Peer, minion: Minion, message: FromMinion) -> None:
        """Drop what is over the rate; whoever goes on without end costs the others their time."""
        turn.count("rate")
        is_bulk = isinstance(message, Return | BulkChunk)  # honest ones come to that, too
        if not is_bulk and not minion.rates.take("flood", turn.now.boot):
            turn.count("flood")
            turn.disconnect(peer, "flood")
            text = f"{minion.minion} sends without end, and is cut off: see what runs there"
            turn.report("warning", f"flood {minion.minion}", text)

    def _is_within_rate(self, turn: Turn, minion: Minion, message: FromMinion) -> bool:
        now = turn.now.boot
        if isinstance(message, Return):
            return minion.rates.take("bytes", now, len(message.body) + OVERHEAD_BYTES)
        if isinstance(message, BulkChunk):
            return minion.rates.take("bytes", now, len(message.data) + OVERHEAD_BYTES)
        return minion.rates.take(type(message).__name__, now)

    def _hear_in_session(
        self,
        turn: Turn,
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
        session = self._talk.session_of(turn, peer, minion, message.session)
        if session is None:
            return
        self._roster.heard(turn, minion)
        match message:
            case Beat():
                self._talk.on_beat(turn, minion, session, message)
            case Accepted():
                self._hearing.on_accepted(turn, minion, message)
            case Started():
                self._hearing.on_started(turn, minion, message)
            case Output():
                self._hearing.on_output(turn, minion, message)
            case CancelAnswer():
                self._hearing.on_cancel_answer(turn, minion, message)
            case SyncPage():
                self._talk.on_sync_page(turn, minion, session, message)
            case Grains():
                self._talk.on_grains(turn, minion, session, message)
            case TrustAck():
                self._followers.on_ack(turn, minion, session, message)
                self._rotation.on_ack(turn, minion)
            case Ask(kind="pillar"):
                self._pillar.on_ask(turn, minion, session, message)
            case Ask():
                self._sources.on_ask(turn, minion, session, message)
            case Pull(kind="pillar"):
                self._pillar.on_pull(turn, minion, session, message)
            case Pull():
                self._sources.on_pull(turn, minion, session, message)
