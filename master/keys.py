"""Keys and tokens: the desk decides, and sessions and jobs follow in the same turn.

A key that is no longer accepted is shut out before anything else of it is heard; what was meant
for it ends. Whatever is told of a key waits for the commit that makes it true.
"""

from collections.abc import Iterable

from limpet.common.control.replies import Event, KeyInfo, TokenInfo, TokenMade
from limpet.common.control.requests import ChangeKeys, CreateToken, RevokeToken
from limpet.common.identifiers import Commit, MinionKey
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest
from limpet.master.enrolment.desk import EnrolmentDesk
from limpet.master.jobs.absence import Absence
from limpet.master.pillar.desk import PillarDesk
from limpet.master.rotation.followers import Followers
from limpet.master.sessions.roster import Roster
from limpet.master.store.operations import Operation, PutKey
from limpet.master.turn import Turn


class Keys:
    """Carries out what the enrolment desk decides."""

    def __init__(
        self,
        desk: EnrolmentDesk,
        roster: Roster,
        absence: Absence,
        followers: Followers,
        pillar: PillarDesk,
    ) -> None:
        self._followers = followers
        self._pillar = pillar
        self._desk = desk
        self._roster = roster
        self._absence = absence
        self.commit = Commit(0)
        """The last commit that changed keys or tokens: what is told of them waits for it."""

    def decide(
        self, turn: Turn, key: MinionKey, address: str, request: EnrolRequest
    ) -> EnrolAnswer:
        """Decide on one request of the enrolment port; the answer waits for `commit`."""
        decision = self._desk.decide(turn.now, key, address, request)
        for reason in decision.counts:
            turn.count(reason)
        turn.effects.extend(decision.reports)
        self._carry_out(turn, decision.operations, decision.events)
        return decision.answer

    def _carry_out(
        self, turn: Turn, operations: Iterable[Operation], events: Iterable[Event]
    ) -> None:
        for operation in operations:
            self.commit = turn.keep(operation)
            if isinstance(operation, PutKey) and operation.row.state == "accepted":
                self._roster.add(turn, operation.row)
        for event in events:
            turn.publish(event, self.commit)

    def change(self, turn: Turn, request: ChangeKeys) -> tuple[KeyInfo, ...]:
        """Accept, reject or delete keys. Raises `UsageError`."""
        change = self._desk.change_keys(
            turn.now, request.action, request.patterns, request.is_all, request.is_dry
        )
        for key in change.disconnect:
            self._shut_out(turn, key)
        self._carry_out(turn, change.operations, change.events)
        return change.keys

    def _shut_out(self, turn: Turn, key: MinionKey) -> None:
        self._followers.forget(turn, key)
        minion = self._roster.remove(turn, key)
        if minion is not None:
            self._absence.on_key_gone(turn, minion)
        self._pillar.forget(turn, key)

    def infos(self) -> tuple[KeyInfo, ...]:
        """Give all keys as people see them."""
        return self._desk.key_infos()

    def create_token(self, turn: Turn, request: CreateToken, user: str) -> TokenMade | TokenInfo:
        """Make a join token. Raises `UsageError`."""
        change = self._desk.create_token(
            turn.now,
            ttl_s=request.ttl_s,
            uses=request.uses,
            id_pattern=request.id_pattern,
            created_by=user,
        )
        self._carry_out(turn, change.operations, change.events)
        return change.reply

    def revoke_token(self, turn: Turn, request: RevokeToken) -> TokenMade | TokenInfo:
        """End a token. Raises `UsageError`."""
        change = self._desk.revoke_token(turn.now, request.token_id)
        self._carry_out(turn, change.operations, change.events)
        return change.reply

    def token_infos(self, turn: Turn) -> tuple[TokenInfo, ...]:
        """Give all tokens as people see them."""
        return self._desk.token_infos(turn.now)

    def on_deadline(self, turn: Turn) -> None:
        """Let the desk forget what is over."""
        self._carry_out(turn, self._desk.on_deadline(turn.now), ())
