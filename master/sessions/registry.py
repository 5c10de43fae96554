"""All accepted minions: found by key, id or connection; present, absent, or gone.

This file keeps the indexes and says when somebody is no longer there. How one comes in is the
business of `greeting.py`, what is said in a session of `session.py`. Nothing here costs more than
O(log n) for an event of one minion.
"""

from collections import Counter
from typing import Final, Protocol

from msgspec.structs import replace

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import Commit, MinionId, MinionKey
from limpet.common.messages.session import SyncEntry, SyncVerdict
from limpet.master.core.effects import Peer
from limpet.master.core.settings import MasterSettings
from limpet.master.core.step import Step
from limpet.master.core.timers import Timers
from limpet.master.events.tags import minion_event
from limpet.master.sessions.admission import Admission
from limpet.master.sessions.keyring import Keyring
from limpet.master.sessions.minion import Minion, Presence, Session
from limpet.master.sessions.rate_limits import Rates
from limpet.master.store.operations import KeyRow
from limpet.master.targeting.index import FleetIndex

Due = tuple[str, str, str]
"""The name of a deadline: what it is for, and whom or what it concerns."""

PATIENCE: Final = 4
"""Silence is judged after so many times its limit even by a loop that is always late."""


class Listener(Protocol):
    """Who acts on what becomes of sessions: the job table."""

    def on_greeted(self, step: Step, minion: Minion, session: Session) -> None:
        """Act on a session that begins; its journal id is known."""
        ...

    def sync_verdicts(
        self, step: Step, minion: Minion, session: Session, entries: tuple[SyncEntry, ...]
    ) -> tuple[tuple[SyncVerdict, ...], Commit]:
        """Judge a page of what the minion holds; the answer waits for the commit."""
        ...

    def on_ready(self, step: Step, minion: Minion, session: Session) -> None:
        """Act on the end of SYNC: deliveries may be sent."""
        ...

    def on_session_ended(self, step: Step, minion: Minion) -> None:
        """Act on the end of a session: nothing more can be sent."""
        ...

    def on_offline(self, step: Step, minion: Minion) -> None:
        """Act on a silence that was too long."""
        ...

    def on_away_too_long(self, step: Step, minion: Minion) -> None:
        """Act on an absence of `lost_after_s`."""
        ...


class MinionRegistry:
    """Who is there."""

    def __init__(
        self,
        settings: MasterSettings,
        keyring: Keyring,
        timers: Timers[Due],
        listener: Listener,
        *,
        by_id: dict[MinionId, Minion],
        now: Moment,
        alive_s: float,
    ) -> None:
        self.settings = settings
        self.keyring = keyring
        self.timers = timers
        self.listener = listener
        self.admission = Admission(settings.sync_at_once)
        self.by_key: dict[MinionKey, Minion] = {}
        self.by_id = by_id
        self.index = FleetIndex()
        """What targets are judged by."""
        self.presences: Counter[Presence] = Counter()
        """How many are how."""
        self.troubled: dict[MinionKey, Minion] = {}
        """Those whose disk ails, as they said in their last beat."""
        self._by_peer: dict[Peer, MinionKey] = {}
        self._judge_from = now.boot
        self._stood_still_until = now.boot
        self._rates = {
            **settings.rates,
            "bytes": (settings.return_bytes_s, settings.return_burst_bytes),
        }
        rows = tuple(keyring.accepted_rows())
        expected_by = now.after(settings.return_grace(len(rows)))
        for row in rows:
            self._restore(now, row, alive_s, expected_by)

    def _restore(self, now: Moment, row: KeyRow, alive_s: float, expected_by: Instant) -> None:
        minion = self._make(row, row.since_s)
        if row.seen_s <= 0:
            return
        minion.seen_s = minion.since_s = row.seen_s
        if row.was_ready:  # it was heard until the master died, whatever was last written
            minion.seen_s = max(row.seen_s, min(alive_s, now.wall))
            minion.since_s = minion.seen_s
            minion.presence = "reconnecting"
            self.timers.set(("offline", row.key, ""), expected_by)
        else:
            minion.presence = "offline"
            self.timers.set(("lost", row.key, ""), now.after(self.settings.lost_after_s))

    def _make(self, row: KeyRow, since_s: float) -> Minion:
        minion = Minion(row.minion, row.key, Rates(self._rates), since_s, self.presences)
        minion.version, minion.address = row.version, row.address
        self.by_key[row.key] = minion
        self.by_id[row.minion] = minion
        self.index.put(row.minion, row.grains)
        return minion

    @property
    def fleet(self) -> int:
        """The number of accepted minions."""
        return len(self.by_key)

    def of_peer(self, peer: Peer) -> Minion | None:
        """Find the minion that a connection belongs to, once it has greeted."""
        key = self._by_peer.get(peer)
        return None if key is None else self.by_key[key]

    def adopt_peer(self, peer: Peer, key: MinionKey) -> None:
        """Take note whose connection this is."""
        self._by_peer[peer] = key

    def forget_peer(self, peer: Peer) -> None:
        """Take note that a connection is of no interest any more."""
        self._by_peer.pop(peer, None)

    # -- keys ---------------------------------------------------------------------------------

    def add(self, step: Step, row: KeyRow) -> None:
        """Take up a key that is accepted, new or again."""
        if row.key not in self.by_key:
            self._make(row, step.now.wall)

    def remove(self, step: Step, key: MinionKey) -> Minion | None:
        """Shut out a key that is not accepted any more. Gives the minion that it was."""
        minion = self.by_key.pop(key, None)
        if minion is None:
            return None
        minion.leave()
        self.troubled.pop(key, None)
        if self.by_id.get(minion.minion) is minion:
            del self.by_id[minion.minion]
            self.index.remove(minion.minion)
        peers = [minion.session.peer] if minion.session is not None else []
        peers += [minion.waiting.peer] if minion.waiting is not None else []
        peers += [minion.probe.greeting.peer] if minion.probe is not None else []
        for peer in peers:
            self._by_peer.pop(peer, None)
            step.disconnect(peer, "revoked_key")
        minion.session = minion.waiting = minion.probe = None
        self.admission.leave(key)
        for what in ("session", "offline", "lost", "probe", "waiting"):
            self.timers.clear((what, key, ""))
        return minion

    def note_condition(self, minion: Minion, condition: str) -> None:
        """Take note of what ails a minion; empty: nothing."""
        minion.condition = condition
        if condition:
            self.troubled[minion.key] = minion
        else:
            self.troubled.pop(minion.key, None)

    # -- presence -----------------------------------------------------------------------------

    def heard(self, step: Step, minion: Minion) -> None:
        """Take note that the minion was heard."""
        minion.heard = step.now.boot
        minion.seen_s = step.now.wall

    def note_row(self, step: Step, minion: Minion, *, was_ready: bool, journal_id: str) -> None:
        """Write the key's row if anything but the time it was heard has changed."""
        row = self.keyring.row(minion.key)
        assert row is not None, f"{minion.minion}: accepted, and without a row"
        present = (row.was_ready, row.journal_id, row.version, row.address)
        if present != (was_ready, journal_id, minion.version, minion.address):
            step.keep(
                self.keyring.replace_row(
                    replace(
                        row,
                        address=minion.address,
                        journal_id=journal_id,
                        seen_s=minion.seen_s,
                        was_ready=was_ready,
                        version=minion.version,
                    )
                )
            )

    def absent(self, step: Step, minion: Minion, why: str) -> None:
        """Say that there is no session; silence decides what comes next."""
        if minion.presence in ("ready", "syncing"):
            minion.presence = "reconnecting"
            minion.since_s = step.now.wall
            step.publish(minion_event(minion.minion, "lost", step.now.wall, why=why))
        limit_s = self.settings.offline_after(self.fleet)
        when = max(step.now.boot, minion.heard + limit_s)
        self.timers.set(("offline", minion.key, ""), Instant(when))

    def end_session(self, step: Step, minion: Minion, why: str, *, shut: bool) -> None:
        """End the session, and the connection with it if `shut`. Somebody else may come in."""
        session = minion.session
        assert session is not None
        minion.session = None
        minion.last_loss = why
        self._by_peer.pop(session.peer, None)
        if shut:
            step.disconnect(session.peer, why)
        self.timers.clear(("session", minion.key, ""))
        self.admission.leave(minion.key)
        self.listener.on_session_ended(step, minion)

    def on_late_loop(self, now: Moment, late_s: float) -> None:
        """Judge nobody's silence for a beat: what they said may still wait to be read.

        Where this process itself stood still for about as long as makes a minion offline, they have
        given up on it and connect anew: they are waited for as long as that.
        """
        limit_s = self.settings.offline_after(self.fleet)
        if late_s >= limit_s / 2:
            self._stood_still_until = now.after(limit_s)
        after_a_beat = now.after(self.settings.beat_interval(self.fleet))
        self._judge_from = max(after_a_beat, self._stood_still_until)

    def may_judge(self, now: Moment, silent_s: float, limit_s: float) -> bool:
        """Say whether silence may be judged now. At `judge_from`, it may."""
        if now.boot >= self._judge_from:
            return True
        return now.boot >= self._stood_still_until and silent_s >= PATIENCE * limit_s

    @property
    def judge_from(self) -> Instant:
        """The time before which no silence is judged."""
        return self._judge_from

    def on_offline_due(self, step: Step, minion: Minion) -> None:
        """Call a minion without a session offline, if it has been silent for long enough."""
        if minion.presence != "reconnecting" or minion.waiting is not None:
            return
        limit_s = self.settings.offline_after(self.fleet)
        if not self.may_judge(step.now, step.now.boot - minion.heard, limit_s):
            self.timers.set(("offline", minion.key, ""), self._judge_from)
            return
        minion.presence = "offline"
        minion.since_s = step.now.wall
        row = self.keyring.row(minion.key)
        assert row is not None
        self.note_row(step, minion, was_ready=False, journal_id=row.journal_id)
        step.publish(minion_event(minion.minion, "offline", step.now.wall))
        self.timers.set(("lost", minion.key, ""), step.now.after(self.settings.lost_after_s))
        self.listener.on_offline(step, minion)

    def on_lost_due(self, step: Step, minion: Minion) -> None:
        """Give up on what runs there, if the minion is still offline."""
        if minion.presence == "offline":
            self.listener.on_away_too_long(step, minion)
