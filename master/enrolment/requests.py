"""Answers to those who knock at the enrolment port: who comes in, who waits, who is refused.

    unknown ─ no token ──────────▶ pending ─ accept ─▶ accepted ─ reject ─▶ rejected
            ─ token proved ──────▶ accepted            pending ── reject ─▶ rejected
            ─ token not good ────▶ refused (proved, but not entitled: pending as well)

Nobody is told why a token was refused: one answer for all reasons; the reason is in the log. A
refused or rejected minion goes on asking for ever, so accepting it needs nobody at its host.
"""

import dataclasses
import random
from typing import Final

from msgspec.structs import replace

from limpet.common.clock import Moment, to_micros, to_seconds
from limpet.common.control.replies import Event
from limpet.common.crypto.keys import fingerprint, is_weak
from limpet.common.crypto.proof import Statement
from limpet.common.errors import UsageError
from limpet.common.identifiers import MinionId, MinionKey, minion_id
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest, EnrolStatus
from limpet.common.messages.fields import PROTOCOL_MAX, PROTOCOL_MIN
from limpet.common.messages.refusals import with_clock
from limpet.master.core.effects import Report
from limpet.master.enrolment.decisions import Decision, key_event
from limpet.master.enrolment.key_register import KeyRegister
from limpet.master.enrolment.pending_keys import PENDING_MAX
from limpet.master.enrolment.tokens import Verifier
from limpet.master.store.operations import KeyRow, Operation

CLOCK_SKEW_MAX_S: Final = 600.0
"""A proof is from within ten minutes of the master's time."""
REFUSED_TEXT: Final = "refused"


class EnrolmentRequests:
    """Decides on each request of a key that CURVE proved."""

    def __init__(self, register: KeyRegister, verifier: Verifier, chance: random.Random) -> None:
        self._register = register
        self._keys = register.keys
        self._tokens = register.tokens
        self._verifier = verifier
        self._chance = chance

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
        operations = self._register.asked(wall_s, replace(row, asked_s=wall_s, address=address))
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
        elif self._register.has_left(token.token_id, key):
            reason = "key_deleted"
        else:
            reason = self._tokens.why_not(token, now, self._register.token_time(now), minion)
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
        operations = (self._tokens.use(token), self._register.put(row))
        events = (
            key_event(row, "accepted", wall_s),
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
                dropped = self._register.make_room(wall_s)
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
            operations: tuple[Operation, ...] = (self._register.put(row),)
        else:
            operations = self._register.asked(wall_s, row)
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
                events = (key_event(row, "conflict", wall_s, beside=others),)
        elif is_news:
            events = (key_event(row, "pending", wall_s),)
        text = f"waits for `limpet keys accept {minion}`"
        return Decision(
            self._answer(request, "pending", text), (*dropped, *operations), events, (), reports
        )

    def _answer(self, request: EnrolRequest, status: EnrolStatus, text: str) -> EnrolAnswer:
        retry_s = 0.0 if status == "accepted" else self._poll_s()
        return EnrolAnswer(request.nonce, status, to_micros(retry_s), text[:200])

    def _poll_s(self) -> float:
        """Give the time to the next question: 15 s (large fleets: more), give or take a quarter."""
        return min(max(15.0, self._keys.fleet / 300), 60.0) * self._chance.uniform(0.75, 1.25)

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
