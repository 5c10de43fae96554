"""What is said in a session: beats, pages of SYNC, facts; and how its end is noticed."""

from typing import Final

from msgspec.structs import replace

from limpet.common.clock import Instant
from limpet.common.identifiers import MinionKey
from limpet.common.messages.session import Beat, Grains, Regreet, SyncAnswer, SyncPage
from limpet.master.effects import Peer
from limpet.master.events.making import minion_event
from limpet.master.sessions.door import Door
from limpet.master.sessions.minion import Minion, Session, is_within_depth
from limpet.master.sessions.roster import Due, Roster
from limpet.master.targeting.facts import decode_grains
from limpet.master.turn import Turn

OWN_BEAT: Final = 1.25
"""Intervals without a beat sent after which one goes out by itself."""
SYNC_PAGES_MAX: Final = 1000
GRAINS_KEYS_MAX: Final = 500
GRAINS_DEPTH_MAX: Final = 16


class Talk:
    """Hears all that belongs to a session."""

    def __init__(self, roster: Roster, door: Door) -> None:
        self._roster = roster
        self._door = door

    def session_of(self, turn: Turn, peer: Peer, minion: Minion, number: int) -> Session | None:
        """Give the minion's present session if this frame belongs to it.

        Else the connection is told to greet again, at most once a second for each key.
        """
        session = minion.session
        if session is not None and session.number == number and session.peer == peer:
            return session
        if turn.now.boot >= minion.regreet_at:
            minion.regreet_at = turn.now.after(1.0)
            turn.send(peer, minion.key, Regreet(number))
        turn.count("unknown_session")
        return None

    def on_beat(self, turn: Turn, minion: Minion, session: Session, said: Beat) -> None:
        """Hear that the minion lives, and answer at once: the answer is its echo."""
        if said.number <= session.heard_beat or said.echo > session.beat_number:
            turn.count("bad_beat")
            return
        session.heard_beat = said.number
        if said.echo > session.echoed:
            session.echoed = said.echo
            session.echoed_at = turn.now.boot
        minion.running = said.running
        if said.condition != minion.condition:
            self._roster.note_condition(minion, said.condition)
            turn.publish(
                minion_event(minion.minion, "condition", turn.now.wall, condition=said.condition)
            )
        if minion.probe is not None and said.echo >= minion.probe.number:
            self._door.on_probe_answered(turn, minion)
        self._send_beat(turn, minion, session)

    def _send_beat(self, turn: Turn, minion: Minion, session: Session) -> None:
        session.beat_number += 1
        session.sent_at = turn.now.boot
        turn.send(session.peer, minion.key, self._door.beat(turn, session))

    def on_sync_page(self, turn: Turn, minion: Minion, session: Session, said: SyncPage) -> None:
        """Judge a page of what the minion holds; after the last one it is READY."""
        if session.is_synced or said.page != session.page or said.page >= SYNC_PAGES_MAX:
            turn.count("unexpected")
            return
        listener = self._roster.listener
        verdicts, after = listener.sync_verdicts(turn, minion, session, said.entries)
        after = session.answered_after = max(session.answered_after, after)
        turn.send(session.peer, minion.key, SyncAnswer(session.number, said.page, verdicts), after)
        session.page += 1
        session.sync_by = turn.now.after(self._roster.settings.sync_page_s)
        if said.is_last:
            self._ready(turn, minion, session)

    def _ready(self, turn: Turn, minion: Minion, session: Session) -> None:
        session.is_synced = True
        minion.presence = "ready"
        minion.since_s = turn.now.wall
        self._roster.note_row(turn, minion, was_ready=True, journal_id=session.journal_id)
        turn.publish(minion_event(minion.minion, "ready", turn.now.wall))
        self._roster.admission.leave(minion.key)
        self._roster.listener.on_ready(turn, minion, session)
        session.listed.clear()

    def on_grains(self, turn: Turn, minion: Minion, session: Session, said: Grains) -> None:
        """Keep the minion's facts; the old ones stay in force if these are none."""
        row = self._roster.keyring.row(minion.key)
        assert row is not None
        facts = decode_grains(said.body)
        if (
            facts is None
            or len(facts) > GRAINS_KEYS_MAX
            or not is_within_depth(facts, GRAINS_DEPTH_MAX)
        ):
            turn.count("bad_facts")
            turn.report(
                "warning", f"facts {minion.minion}", f"{minion.minion} sent facts that are none"
            )
            return
        if row.grains == said.body and row.grains_digest == said.digest:
            return
        news = replace(row, seen_s=minion.seen_s, grains_digest=said.digest, grains=said.body)
        turn.keep(self._roster.keyring.replace_row(news))
        self._roster.index.put(minion.minion, said.body)
        turn.publish(minion_event(minion.minion, "grains", turn.now.wall), turn.commit)

    # -- the end of a session -----------------------------------------------------------------

    def on_peer_gone(self, turn: Turn, peer: Peer) -> None:
        """Act on the end of a connection, as the transport believes."""
        minion = self._roster.of_peer(peer)
        if minion is None:
            return
        self._roster.forget_peer(peer)
        if minion.probe is not None and minion.probe.greeting.peer == peer:
            minion.probe = None
            self._roster.timetable.clear(("probe", minion.key, ""))
        if minion.waiting is not None and minion.waiting.peer == peer:
            minion.waiting = None
            self._roster.timetable.clear(("waiting", minion.key, ""))
            self._roster.admission.leave(minion.key)
            self._roster.absent(turn, minion, "disconnected")
        if minion.session is not None and minion.session.peer == peer:
            self._lose(turn, minion, "disconnected", shut=False)

    def _lose(self, turn: Turn, minion: Minion, why: str, *, shut: bool) -> None:
        self._roster.end_session(turn, minion, why, shut=shut)
        if minion.probe is not None:
            self._door.on_probe_failed(turn, minion)
        else:
            self._roster.absent(turn, minion, why)

    def on_session_due(self, turn: Turn, minion: Minion) -> None:
        """Beat by itself, or call a silent session lost."""
        session = minion.session
        if session is None:
            return
        now, settings = turn.now, self._roster.settings
        limit_s = settings.beats_missed_max * session.interval_s
        lost_at = session.echoed_at + limit_s
        if now.boot >= lost_at:
            if self._roster.may_judge(now, now.boot - session.echoed_at, limit_s):
                self._lose(turn, minion, "silent", shut=True)
                return
            lost_at = self._roster.judge_from
        if not session.is_synced and now.boot >= session.sync_by:
            if self._roster.may_judge(now, now.boot - session.sync_by, settings.sync_page_s):
                self._lose(turn, minion, "sync", shut=True)
                return
            session.sync_by = self._roster.judge_from
        if now.boot >= session.sent_at + OWN_BEAT * session.interval_s:
            self._send_beat(turn, minion, session)
        due = min(lost_at, session.sent_at + OWN_BEAT * session.interval_s)
        if not session.is_synced:
            due = min(due, session.sync_by)
        self._roster.timetable.set(("session", minion.key, ""), Instant(due))

    def on_due(self, turn: Turn, due: Due) -> None:
        """Act on a deadline of a minion."""
        minion = self._roster.by_key.get(MinionKey(due[1]))
        if minion is None:
            return
        match due[0]:
            case "session":
                self.on_session_due(turn, minion)
            case "offline":
                self._roster.on_offline_due(turn, minion)
            case "lost":
                self._roster.on_lost_due(turn, minion)
            case "probe":
                self._door.on_probe_failed(turn, minion)
            case _:
                assert due[0] == "waiting", due
                self._door.on_waiting_due(turn, minion)
