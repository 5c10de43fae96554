"""The enrolment desk: whose key is trusted, by token, by an administrator, or not (yet).

A machine: it is handed the time and decoded requests, changes its own memory at once, and says
what to persist, answer, tell and count. Operations of one decision belong into one transaction,
and whatever the decision says waits for its commit.

    unknown ─ no token ──────────▶ pending ─ accept ─▶ accepted ─ reject ─▶ rejected
            ─ token proved ──────▶ accepted            pending ── reject ─▶ rejected
            ─ token not good ────▶ refused (proved, but not entitled: pending as well)

Nobody is told why a token was refused: one answer for all reasons; the reason is in the log. A
refused or rejected minion goes on asking for ever, so accepting it needs nobody at its host.
"""

import dataclasses
import math
import random
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from limpet.common.clock import Instant, Moment, to_micros, to_seconds
from limpet.common.control.replies import Event, KeyInfo, TokenInfo, TokenMade
from limpet.common.control.requests import KeyAction
from limpet.common.crypto.keys import fingerprint, is_weak
from limpet.common.crypto.proof import Statement
from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionId, MinionKey, minion_id
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest, EnrolStatus
from limpet.common.messages.fields import PROTOCOL_MAX, PROTOCOL_MIN
from limpet.common.refusals import with_clock
from limpet.master.effects import Report
from limpet.master.enrolment.decisions import Decision, KeyChange, TokenChange
from limpet.master.enrolment.keys import PENDING_MAX, KeyTable
from limpet.master.enrolment.selection import select
from limpet.master.enrolment.tokens import TokenBook, Verifier, token_info
from limpet.master.store.operations import KeyRow, Operation, PutKey, PutNote, Snapshot

PENDING_TTL_S: Final = 86400.0
"""A waiting key that has not asked for so long is forgotten."""
ASKED_EVERY_S: Final = 3600.0
"""How often it is written down that a waiting or rejected key still asks."""
CLOCK_SKEW_MAX_S: Final = 600.0
"""A proof is from within ten minutes of the master's time."""
SWEEP_EVERY_S: Final = 600.0
REFUSED_TEXT: Final = "refused"

_LEFT: Final = "left:"
"""Notes `left:TOKEN:KEY`: the key was let in by the token and deleted since; not again by it."""


class EnrolmentDesk:
    """Owns the rows of all keys and tokens (`limpet.master.sessions.keyring.Keyring`)."""

    def __init__(
        self, snapshot: Snapshot, *, now: Moment, chance: random.Random, verifier: Verifier
    ) -> None:
        """Begin with what the store has. `chance` makes secrets: `SystemRandom` in production."""
        self.next_deadline: Instant = now.after(SWEEP_EVERY_S)
        self._keys = KeyTable(snapshot.keys)
        self._tokens = TokenBook(snapshot.tokens, verifier)
        self._verifier = verifier
        self._chance = chance
        self._wall_high_s = _number(snapshot.notes.get("wall_high_s", ""))
        self._left = {name for name, value in snapshot.notes.items() if _is_left(name, value)}
        self._noted_s = {row.key: row.asked_s for row in snapshot.keys}

    # --- the keyring ------------------------------------------------------------------------------

    @property
    def fleet(self) -> int:
        """The number of accepted minions."""
        return self._keys.fleet

    def is_accepted(self, key: MinionKey) -> bool:
        """Say whether the key is accepted now."""
        row = self._keys.row(key)
        return row is not None and row.state == "accepted"

    def row(self, key: MinionKey) -> KeyRow | None:
        """Give the row of a key, whatever its state."""
        return self._keys.row(key)

    def row_of(self, minion: MinionId) -> KeyRow | None:
        """Give the row of the accepted key of an id."""
        return self._keys.owner(minion)

    def accepted_rows(self) -> tuple[KeyRow, ...]:
        """Give the rows of all accepted keys."""
        return self._keys.accepted()

    def replace_row(self, row: KeyRow) -> PutKey:
        """Take what a minion reported of itself (same key, id and state); gives what to persist."""
        old = self._keys.row(row.key)
        assert old is not None
        assert (old.minion, old.state) == (row.minion, row.state)
        return self._keys.put(row)

    def key_infos(self) -> tuple[KeyInfo, ...]:
        """Give all keys as people see them, by state, then id."""
        return self._keys.infos(self._keys.rows())

    # --- the enrolment port -----------------------------------------------------------------------

    def decide(self, now: Moment, key: MinionKey, address: str, request: EnrolRequest) -> Decision:
        """Answer one request of a key that CURVE proved."""
        decision = self._decide(now, key, address, request)
        answer = decision.answer
        if answer.status != "refused":
            return decision
        told = replace(answer, text=with_clock(answer.text, now.wall))
        return dataclasses.replace(decision, answer=told)

    def _decide(self, now: Moment, key: MinionKey, address: str, request: EnrolRequest) -> Decision:
        wall_s = now.wall
        if request.protocol_min > PROTOCOL_MAX or request.protocol_max < PROTOCOL_MIN:
            text = f"this master speaks protocol {PROTOCOL_MIN} to {PROTOCOL_MAX}"
            return self._turned_away(request, key, address, "protocol", text)
        if is_weak(key):
            return self._turned_away(request, key, address, "weak_key")
        try:
            minion = minion_id(request.minion_id)
        except UsageError:
            return self._turned_away(request, key, address, "bad_id")
        row = self._keys.row(key)
        if row is not None and row.state == "accepted":
            return self._already(request, row, minion)
        if row is not None and row.state == "rejected":
            return self._rejected(wall_s, request, row, address)
        if request.token_id:
            return self._by_token(now, key, address, request, minion)
        return self._pending(wall_s, key, address, request, minion)

    def _already(self, request: EnrolRequest, row: KeyRow, minion: MinionId) -> Decision:
        """Tell an accepted key so, as often as it asks; it keeps the id it was accepted under."""
        reports: tuple[Report, ...] = ()
        if minion != row.minion:
            text = f"the key of {row.minion} asks as {minion}; it stays {row.minion}"
            reports = (Report("warning", f"key.renamed {row.minion} {row.key}", text),)
        return Decision(self._answer(request, "accepted", ""), reports=reports)

    def _rejected(
        self, wall_s: float, request: EnrolRequest, row: KeyRow, address: str
    ) -> Decision:
        decision = self._turned_away(request, row.key, address, "key_rejected")
        operations = self._asked(wall_s, replace(row, asked_s=wall_s, address=address))
        return Decision(decision.answer, operations, (), decision.counts, decision.reports)

    def _by_token(
        self, now: Moment, key: MinionKey, address: str, request: EnrolRequest, minion: MinionId
    ) -> Decision:
        """Let a key in that proves a good token; tell nobody why not."""
        wall_s = now.wall
        token = self._tokens.row(request.token_id)
        if token is None:
            return self._turned_away(request, key, address, "token_unknown")
        statement = Statement.of(
            request, master_key=self._verifier.master_key, minion_key=bytes.fromhex(key)
        )
        if not self._verifier.verify(token.verifier, statement.encoded(), request.signature):
            return self._turned_away(request, key, address, "bad_proof")
        owner = self._keys.owner(minion)
        if abs(to_seconds(request.timestamp) - wall_s) > CLOCK_SKEW_MAX_S:
            reason = "bad_time"
        elif owner is not None:
            reason = "id_taken"
        elif _left_name(token.token_id, key) in self._left:
            reason = "key_deleted"
        else:
            reason = self._tokens.why_not(token, now, self._token_time(now), minion)
        if reason:
            return self._proved_but_not_entitled(wall_s, key, address, request, minion, reason)
        row = KeyRow(
            key=key,
            minion=minion,
            state="accepted",
            since_s=wall_s,
            address=address,
            token_id=token.token_id,
            asked_s=wall_s,
        )
        operations = (self._tokens.use(token), self._put(row))
        events = (
            _key_event(row, "accepted", wall_s),
            Event(f"token/{token.token_id}/used", wall_s, {"minion": minion}),
        )
        return Decision(self._answer(request, "accepted", ""), operations, events)

    def _proved_but_not_entitled(
        self,
        wall_s: float,
        key: MinionKey,
        address: str,
        request: EnrolRequest,
        minion: MinionId,
        reason: str,
    ) -> Decision:
        """Refuse, but let the administrator see the key: its host did hold a join string."""
        refusal = self._turned_away(request, key, address, reason)
        waiting = self._pending(wall_s, key, address, request, minion)
        return Decision(
            refusal.answer,
            waiting.operations,
            waiting.events,
            (*refusal.counts, *waiting.counts),
            (*refusal.reports, *waiting.reports),
        )

    def _pending(
        self, wall_s: float, key: MinionKey, address: str, request: EnrolRequest, minion: MinionId
    ) -> Decision:
        """Note down that a key waits, if there is room."""
        row = self._keys.row(key)
        dropped: tuple[Operation, ...] = ()
        if row is None:
            if self._keys.pending_count >= PENDING_MAX or not self._keys.has_room_for(address):
                dropped = self._make_room(wall_s)
            if self._keys.pending_count >= PENDING_MAX:
                text = "too many keys wait already"
                return self._turned_away(request, key, address, "pending_full", text, dropped)
            if not self._keys.has_room_for(address):
                text = "too many keys of this address wait already"
                return self._turned_away(request, key, address, "pending_dup", text, dropped)
        is_news = row is None or row.minion != minion
        row = KeyRow(
            key=key,
            minion=minion,
            state="pending",
            since_s=row.since_s if row is not None and not is_news else wall_s,
            address=address,
            token_id="",
            asked_s=wall_s,
        )
        if is_news:
            operations: tuple[Operation, ...] = (self._put(row),)
        else:
            operations = self._asked(wall_s, row)
        events: tuple[Event, ...] = ()
        reports: tuple[Report, ...] = ()
        if self._keys.is_contested(row):
            rivals = [other for other in self._keys.claims(minion) if other.key != key]
            text = (
                f"the id {minion} is claimed by a second key: {fingerprint(key)} from {address}, "
                f"beside {', '.join(f'{fingerprint(o.key)} from {o.address}' for o in rivals[:3])}"
            )
            reports = (Report("warning", f"key.conflict {minion}", text),)
            if is_news:
                others = ", ".join(rival.address for rival in rivals[:3])
                events = (_key_event(row, "conflict", wall_s, beside=others),)
        elif is_news:
            events = (_key_event(row, "pending", wall_s),)
        text = f"waits for `limpet keys accept {minion}`"
        return Decision(
            self._answer(request, "pending", text), (*dropped, *operations), events, (), reports
        )

    # --- the administrator ------------------------------------------------------------------------

    def change_keys(
        self,
        now: Moment,
        action: KeyAction,
        patterns: Sequence[str],
        is_all: bool,
        is_dry: bool,
    ) -> KeyChange:
        """Accept, reject or delete keys; all or nothing. `is_dry`: only say which.

        Raises `UsageError` where nothing matches, or where it is not clear which key is meant.
        """
        wall_s = now.wall
        rows = select(self._keys, action, patterns, is_all)
        if is_dry:
            return KeyChange(self._keys.infos(rows))
        operations: list[Operation] = []
        events: list[Event] = []
        changed: list[KeyRow] = []
        for row in rows:
            if action == "delete":
                operations += self._delete(row)
                events.append(_key_event(row, "deleted", wall_s))
            elif row.state != f"{action}ed":
                row_now = replace(row, state=f"{action}ed", since_s=wall_s)
                operations.append(self._put(row_now))
                events.append(_key_event(row_now, f"{action}ed", wall_s))
                changed.append(row_now)
            else:
                changed.append(row)
        return KeyChange(
            keys=self._keys.infos(rows if action == "delete" else changed),
            operations=tuple(operations),
            disconnect=tuple(
                row.key for row in rows if row.state == "accepted" and action != "accept"
            ),
            events=tuple(events),
        )

    def create_token(
        self, now: Moment, *, ttl_s: float, uses: int, id_pattern: str, created_by: str
    ) -> TokenChange:
        """Make a join token. Raises `UsageError`."""
        wall_s = self._token_time(now)
        put, text = self._tokens.create(
            now, wall_s, ttl_s, uses, id_pattern, created_by, self._chance
        )
        row = put.row
        made = TokenMade(row.token_id, text, row.expires_s, row.uses_max, row.id_pattern)
        data = {"by": created_by, "ids": row.id_pattern, "uses": str(uses)}
        return TokenChange(made, (put,), (Event(f"token/{row.token_id}/new", wall_s, data),))

    def revoke_token(self, now: Moment, token_id: str) -> TokenChange:
        """End a token; who came in by it stays in. Raises `UsageError` if there is none."""
        wall_s = self._token_time(now)
        row, put = self._tokens.revoke(token_id)
        event = Event(f"token/{row.token_id}/revoked", wall_s, {})
        return TokenChange(token_info(row, wall_s), (put,), (event,))

    def token_infos(self, now: Moment) -> tuple[TokenInfo, ...]:
        """Give all tokens as people see them, newest first."""
        return self._tokens.infos(self._token_time(now))

    def on_deadline(self, now: Moment) -> tuple[Operation, ...]:
        """Forget waiting keys that no longer ask, and tokens that are long over."""
        if now.boot < self.next_deadline:
            return ()
        self.next_deadline = now.after(SWEEP_EVERY_S)
        wall_s = self._token_time(now)
        return (*self._forget_silent(now.wall), *self._tokens.sweep(wall_s), *self._forget_left())

    # --- inside -----------------------------------------------------------------------------------

    def _token_time(self, now: Moment) -> float:
        """Give the highest wall time ever seen: a clock set back prolongs no token's life.

        All else goes by the clock as it is, so that one that was far ahead once harms nothing.
        """
        self._wall_high_s = max(self._wall_high_s, now.wall)
        return self._wall_high_s

    def _put(self, row: KeyRow) -> PutKey:
        self._noted_s[row.key] = row.asked_s
        return self._keys.put(row)

    def _asked(self, wall_s: float, row: KeyRow) -> tuple[Operation, ...]:
        """Remember that a key still asks; on disk only so often, or if its address is another."""
        old = self._keys.row(row.key)
        if (
            old is None
            or old.address != row.address
            or abs(wall_s - self._noted_s.get(row.key, 0.0)) >= ASKED_EVERY_S
        ):
            return (self._put(row),)
        self._keys.put(row)
        return ()

    def _forget_silent(self, wall_s: float) -> tuple[Operation, ...]:
        silent = [r.key for r in self._keys.pending() if abs(wall_s - r.asked_s) >= PENDING_TTL_S]
        for key in silent:
            self._noted_s.pop(key, None)
        return tuple(self._keys.drop(key) for key in silent)

    def _make_room(self, wall_s: float) -> tuple[Operation, ...]:
        """Forget those who asked longest ago, if it was long ago; the others are not looked at.

        Whoever knocks while all places are taken must not cost a look at all who wait.
        """
        dropped: list[Operation] = []
        while (row := self._keys.longest_silent()) is not None:
            if abs(wall_s - row.asked_s) < PENDING_TTL_S:
                break
            self._noted_s.pop(row.key, None)
            dropped.append(self._keys.drop(row.key))
        return tuple(dropped)

    def _delete(self, row: KeyRow) -> list[Operation]:
        """Forget a key. The token that let it in, if it is still good, does not do so again."""
        self._noted_s.pop(row.key, None)
        operations: list[Operation] = [self._keys.drop(row.key)]
        if row.state == "accepted" and self._tokens.row(row.token_id) is not None:
            name = _left_name(row.token_id, row.key)
            self._left.add(name)
            operations.append(PutNote(name, "deleted"))
        return operations

    def _forget_left(self) -> tuple[Operation, ...]:
        """Empty the notes of tokens that are gone."""
        gone = [name for name in self._left if self._tokens.row(name.split(":")[1]) is None]
        self._left.difference_update(gone)
        return tuple(PutNote(name, "") for name in sorted(gone))

    def _answer(self, request: EnrolRequest, status: EnrolStatus, text: str) -> EnrolAnswer:
        retry_s = 0.0 if status == "accepted" else self._poll_s()
        return EnrolAnswer(request.nonce, status, to_micros(retry_s), text[:200])

    def _poll_s(self) -> float:
        """Give the time to the next question: 15 s (large fleets: more), give or take a quarter."""
        return min(max(15.0, self.fleet / 300), 60.0) * self._chance.uniform(0.75, 1.25)

    def _turned_away(
        self,
        request: EnrolRequest,
        key: MinionKey,
        address: str,
        reason: str,
        text: str = REFUSED_TEXT,
        operations: tuple[Operation, ...] = (),
    ) -> Decision:
        """Refuse; the reason goes to the log and the counter only."""
        line = (
            f"refused {request.minion_id[:128]!a} from {address}, key {fingerprint(key)}: {reason}"
        )
        return Decision(
            self._answer(request, "refused", text),
            operations,
            (),
            (reason,),
            (Report("warning", f"enrol.{reason}", line),),
        )


def _key_event(row: KeyRow, what: str, wall_s: float, **more: str) -> Event:
    data = {"fingerprint": fingerprint(row.key), "address": row.address, **more}
    return Event(f"key/{row.minion}/{what}", wall_s, data)


def _left_name(token_id: str, key: MinionKey) -> str:
    return f"{_LEFT}{token_id}:{key}"


def _is_left(name: str, value: str) -> bool:
    return name.startswith(_LEFT) and name.count(":") == 2 and bool(value)


def _number(text: str) -> float:
    """Read a time from a note; a note that is none says nothing."""
    try:
        number = float(text)
    except ValueError:
        return 0.0
    return number if math.isfinite(number) else 0.0
