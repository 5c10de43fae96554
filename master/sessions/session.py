"""What is said in a session: beats, pages of SYNC, facts; and how its end is noticed."""

from typing import Final

from msgspec.structs import replace

from limpet.common.clock import Instant
from limpet.common.identifiers import MinionKey
from limpet.common.messages.session import Beat, Grains, Regreet, SyncAnswer, SyncPage
from limpet.master.core.effects import Peer
from limpet.master.core.step import Step
from limpet.master.events.tags import minion_event
from limpet.master.sessions.greeting import Greeter
from limpet.master.sessions.minion import Minion, Session, is_within_depth
from limpet.master.sessions.registry import Due, MinionRegistry
from limpet.master.targeting.grains import decode_grains

OWN_BEAT: Final = 1.25
"""Intervals without a beat sent after which one goes out by itself."""
SYNC_PAGES_MAX: Final = 1000
GRAINS_KEYS_MAX: Final = 500
GRAINS_DEPTH_MAX: Final = 16


class SessionHandler:
    """Hears all that belongs to a session."""

    def __init__(self, registry: MinionRegistry, greeter: Greeter) -> None:
        self._registry = registry
        self._greeter = greeter

    def session_of(self, step: Step, peer: Peer, minion: Minion, number: int) -> Session | None:
        """Give the minion's present session if this frame belongs to it.

        Else the connection is told to greet again, at most once a second for each key.
        """
        session = minion.session
        if session is not None and session.number == number and session.peer == peer:
            return session
        if step.now.boot >= minion.regreet_at:
            minion.regreet_at = step.now.after(1.0)
            step.send(peer, minion.key, Regreet(number))
        step.count("unknown_session")
        return None

    def on_beat(self, step: Step, minion: Minion, session: Session, said: Beat) -> None:
        """Hear that the minion lives, and answer at once: the answer is its echo."""
        if said.number <= session.heard_beat or said.echo > session.beat_number:
            step.count("bad_beat")
            return
        session.heard_beat = said.number
        if said.echo > session.echoed:
            session.echoed = said.echo
            session.echoed_at = step.now.boot
        minion.running = said.running
        if said.condition != minion.condition:
            self._registry.note_condition(minion, said.condition)
            step.publish(
                minion_event(minion.minion, "condition", step.now.wall, condition=said.condition)
            )
        if minion.probe is not None and said.echo >= minion.probe.number:
            self._greeter.on_probe_answered(step, minion)
        self._send_beat(step, minion, session)

    def _send_beat(self, step: Step, minion: Minion, session: Session) -> None:
        session.beat_number += 1
        session.sent_at = step.now.boot
        step.send(session.peer, minion.key, self._greeter.beat(step, session))

    def on_sync_page(self, step: Step, minion: Minion, session: Session, said: SyncPage) -> None:
        """Judge a page of what the minion holds; after the last one it is READY."""
        if session.is_synced or said.page != session.page or said.page >= SYNC_PAGES_MAX:
            step.count("unexpected")
            return
        listener = self._registry.listener
        verdicts, after = listener.sync_verdicts(step, minion, session, said.entries)
        after = session.answered_after = max(session.answered_after, after)
        step.send(session.peer, minion.key, SyncAnswer(session.number, said.page, verdicts), after)
        session.page += 1
        session.sync_by = step.now.after(self._registry.settings.sync_page_s)
        if said.is_last:
            self._ready(step, minion, session)

    def _ready(self, step: Step, minion: Minion, session: Session) -> None:
        session.is_synced = True
        minion.presence = "ready"
        minion.since_s = step.now.wall
        self._registry.note_row(step, minion, was_ready=True, journal_id=session.journal_id)
        step.publish(minion_event(minion.minion, "ready", step.now.wall))
        self._registry.admission.leave(minion.key)
        self._registry.listener.on_ready(step, minion, session)
        session.listed.clear()

    def on_grains(self, step: Step, minion: Minion, session: Session, said: Grains) -> None:
        """Keep the minion's facts; the old ones stay in force if these are none."""
        row = self._registry.keyring.row(minion.key)
        assert row is not None
        facts = decode_grains(said.body)
        if (
            facts is None
            or len(facts) > GRAINS_KEYS_MAX
            or not is_within_depth(facts, GRAINS_DEPTH_MAX)
        ):
            step.count("bad_facts")
            step.report(
                "warning", f"facts {minion.minion}", f"{minion.minion} sent facts that are none"
            )
            return
        if row.grains == said.body and row.grains_digest == said.digest:
            return
        news = replace(row, seen_s=minion.seen_s, grains_digest=said.digest, grains=said.body)
        step.keep(self._registry.keyring.replace_row(news))
        self._registry.index.put(minion.minion, said.body)
        step.publish(minion_event(minion.minion, "grains", step.now.wall), step.commit)

    # -- the end of a session -----------------------------------------------------------------

    def on_peer_gone(self, step: Step, peer: Peer) -> None:
        """Act on the end of a connection, as the transport believes."""
        minion = self._registry.of_peer(peer)
        if minion is None:
            return
        self._registry.forget_peer(peer)
        if minion.probe is not None and minion.probe.greeting.peer == peer:
            minion.probe = None
            self._registry.timers.clear(("probe", minion.key, ""))
        if minion.waiting is not None and minion.waiting.peer == peer:
            minion.waiting = None
            self._registry.timers.clear(("waiting", minion.key, ""))
            self._registry.admission.leave(minion.key)
            self._registry.absent(step, minion, "disconnected")
        if minion.session is not None and minion.session.peer == peer:
            self._lose(step, minion, "disconnected", shut=False)

    def _lose(self, step: Step, minion: Minion, why: str, *, shut: bool) -> None:
        self._registry.end_session(step, minion, why, shut=shut)
        if minion.probe is not None:
            self._greeter.on_probe_failed(step, minion)
        else:
            self._registry.absent(step, minion, why)

    def on_session_due(self, step: Step, minion: Minion) -> None:
        """Beat by itself, or call a silent session lost."""
        session = minion.session
        if session is None:
            return
        now, settings = step.now, self._registry.settings
        limit_s = settings.beats_missed_max * session.interval_s
        lost_at = session.echoed_at + limit_s
        if now.boot >= lost_at:
            if self._registry.may_judge(now, now.boot - session.echoed_at, limit_s):
                self._lose(step, minion, "silent", shut=True)
                return
            lost_at = self._registry.judge_from
        if not session.is_synced and now.boot >= session.sync_by:
            if self._registry.may_judge(now, now.boot - session.sync_by, settings.sync_page_s):
                self._lose(step, minion, "sync", shut=True)
                return
            session.sync_by = self._registry.judge_from
        if now.boot >= session.sent_at + OWN_BEAT * session.interval_s:
            self._send_beat(step, minion, session)
        due = min(lost_at, session.sent_at + OWN_BEAT * session.interval_s)
        if not session.is_synced:
            due = min(due, session.sync_by)
        self._registry.timers.set(("session", minion.key, ""), Instant(due))

    def on_due(self, step: Step, due: Due) -> None:
        """Act on a deadline of a minion."""
        minion = self._registry.by_key.get(MinionKey(due[1]))
        if minion is None:
            return
        match due[0]:
            case "session":
                self.on_session_due(step, minion)
            case "offline":
                self._registry.on_offline_due(step, minion)
            case "lost":
                self._registry.on_lost_due(step, minion)
            case "probe":
                self._greeter.on_probe_failed(step, minion)
            case _:
                assert due[0] == "waiting", due
                self._greeter.on_waiting_due(step, minion)
