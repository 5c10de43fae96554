"""Whose key is trusted, by token, by an administrator, or not (yet).

A machine: it is handed the time and decoded requests, changes its own memory at once, and says
what to persist, answer, tell and count. Operations of one decision belong into one transaction,
and whatever the decision says waits for its commit. What minions are answered is `requests.py`,
what is remembered `key_register.py`; here is what administrators do, and what the core asks.
"""

import random
from collections.abc import Sequence
from typing import Final

from msgspec.structs import replace

from limpet.common.clock import Instant, Moment
from limpet.common.control.replies import Event, KeyInfo, TokenInfo, TokenMade
from limpet.common.control.requests import KeyAction
from limpet.common.identifiers import MinionId, MinionKey
from limpet.common.messages.enrolment import EnrolRequest
from limpet.master.enrolment.decisions import Decision, KeyChange, TokenChange, key_event
from limpet.master.enrolment.key_register import KeyRegister
from limpet.master.enrolment.key_selection import select
from limpet.master.enrolment.requests import EnrolmentRequests
from limpet.master.enrolment.tokens import Verifier, token_info
from limpet.master.store.operations import KeyRow, Operation, PutKey, Snapshot

SWEEP_EVERY_S: Final = 600.0


class EnrolmentAuthority:
    """Owns the rows of all keys and tokens (`limpet.master.sessions.keyring.Keyring`)."""

    def __init__(
        self, snapshot: Snapshot, *, now: Moment, chance: random.Random, verifier: Verifier
    ) -> None:
        """Begin with what the store has. `chance` makes secrets: `SystemRandom` in production."""
        self.next_deadline: Instant = now.after(SWEEP_EVERY_S)
        self._register = KeyRegister(snapshot, verifier)
        self._keys = self._register.keys
        self._tokens = self._register.tokens
        self._requests = EnrolmentRequests(self._register, verifier, chance)
        self._chance = chance

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

    @property
    def figures(self) -> dict[str, float]:
        """Give how many keys wait to be accepted, and how many are rejected."""
        return {
            "keys_pending": float(self._keys.pending_count),
            "keys_rejected": float(self._keys.rejected_count),
        }

    def key_infos(self) -> tuple[KeyInfo, ...]:
        """Give all keys as people see them, by state, then id."""
        return self._keys.infos(self._keys.rows())

    # --- the enrolment port -----------------------------------------------------------------------

    def decide(self, now: Moment, key: MinionKey, address: str, request: EnrolRequest) -> Decision:
        """Answer one request of a key that CURVE proved."""
        return self._requests.decide(now, key, address, request)

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
                operations += self._register.delete(row)
                events.append(key_event(row, "deleted", wall_s))
            elif row.state != f"{action}ed":
                row_now = replace(row, state=f"{action}ed", since_s=wall_s)
                operations.append(self._register.put(row_now))
                events.append(key_event(row_now, f"{action}ed", wall_s))
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
        wall_s = self._register.token_time(now)
        put, text = self._tokens.create(
            now, wall_s, ttl_s, uses, id_pattern, created_by, self._chance
        )
        row = put.row
        made = TokenMade(row.token_id, text, row.expires_s, row.uses_max, row.id_pattern)
        data = {"by": created_by, "ids": row.id_pattern, "uses": str(uses)}
        return TokenChange(made, (put,), (Event(f"token/{row.token_id}/new", wall_s, data),))

    def revoke_token(self, now: Moment, token_id: str) -> TokenChange:
        """End a token; who came in by it stays in. Raises `UsageError` if there is none."""
        wall_s = self._register.token_time(now)
        row, put = self._tokens.revoke(token_id)
        event = Event(f"token/{row.token_id}/revoked", wall_s, {})
        return TokenChange(token_info(row, wall_s), (put,), (event,))

    def token_infos(self, now: Moment) -> tuple[TokenInfo, ...]:
        """Give all tokens as people see them, newest first."""
        return self._tokens.infos(self._register.token_time(now))

    def on_deadline(self, now: Moment) -> tuple[Operation, ...]:
        """Forget waiting keys that no longer ask, and tokens that are long over."""
        if now.boot < self.next_deadline:
            return ()
        self.next_deadline = now.after(SWEEP_EVERY_S)
        wall_s = self._register.token_time(now)
        return (
            *self._register.forget_silent(now.wall),
            *self._tokens.sweep(wall_s),
            *self._register.forget_left(),
        )
