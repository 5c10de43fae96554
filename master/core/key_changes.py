"""Keys and tokens: the authority decides, and sessions and jobs follow in the same turn.

A key that is no longer accepted is shut out before anything else of it is heard; what was meant
for it ends. Whatever is told of a key waits for the commit that makes it true.
"""

from collections.abc import Iterable

from limpet.common.control.replies import Event, KeyInfo, TokenInfo, TokenMade
from limpet.common.control.requests import ChangeKeys, CreateToken, RevokeToken
from limpet.common.identifiers import Commit, MinionKey
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest
from limpet.master.core.step import Step
from limpet.master.enrolment.authority import EnrolmentAuthority
from limpet.master.jobs.presence import PresenceChanges
from limpet.master.master_keys.announcements import Announcements
from limpet.master.pillar.requests import PillarRequests
from limpet.master.sessions.registry import MinionRegistry
from limpet.master.store.operations import Operation, PutKey


class KeyChanges:
    """Carries out what the enrolment authority decides."""

    def __init__(
        self,
        authority: EnrolmentAuthority,
        registry: MinionRegistry,
        presence: PresenceChanges,
        announcements: Announcements,
        pillar: PillarRequests,
    ) -> None:
        self._announcements = announcements
        self._pillar = pillar
        self._authority = authority
        self._registry = registry
        self._presence = presence
        self.commit = Commit(0)
        """The last commit that changed keys or tokens: what is told of them waits for it."""

    def decide(
        self, step: Step, key: MinionKey, address: str, request: EnrolRequest
    ) -> EnrolAnswer:
        """Decide on one request of the enrolment port; the answer waits for `commit`."""
        decision = self._authority.decide(step.now, key, address, request)
        for reason in decision.counts:
            step.count(reason)
        step.effects.extend(decision.reports)
        self._carry_out(step, decision.operations, decision.events)
        return decision.answer

    def _carry_out(
        self, step: Step, operations: Iterable[Operation], events: Iterable[Event]
    ) -> None:
        for operation in operations:
            self.commit = step.keep(operation)
            if isinstance(operation, PutKey) and operation.row.state == "accepted":
                self._registry.add(step, operation.row)
        for event in events:
            step.publish(event, self.commit)

    def change(self, step: Step, request: ChangeKeys) -> tuple[KeyInfo, ...]:
        """Accept, reject or delete keys. Raises `UsageError`."""
        change = self._authority.change_keys(
            step.now, request.action, request.patterns, request.is_all, request.is_dry
        )
        for key in change.disconnect:
            self._shut_out(step, key)
        self._carry_out(step, change.operations, change.events)
        return change.keys

    def _shut_out(self, step: Step, key: MinionKey) -> None:
        self._announcements.forget(step, key)
        minion = self._registry.remove(step, key)
        if minion is not None:
            self._presence.on_key_gone(step, minion)
        self._pillar.forget(step, key)

    def infos(self) -> tuple[KeyInfo, ...]:
        """Give all keys as people see them."""
        return self._authority.key_infos()

    @property
    def figures(self) -> dict[str, float]:
        """Give how many keys wait, and how many are rejected."""
        return self._authority.figures

    def create_token(self, step: Step, request: CreateToken, user: str) -> TokenMade | TokenInfo:
        """Make a join token. Raises `UsageError`."""
        change = self._authority.create_token(
            step.now,
            ttl_s=request.ttl_s,
            uses=request.uses,
            id_pattern=request.id_pattern,
            created_by=user,
        )
        self._carry_out(step, change.operations, change.events)
        return change.reply

    def revoke_token(self, step: Step, request: RevokeToken) -> TokenMade | TokenInfo:
        """End a token. Raises `UsageError`."""
        change = self._authority.revoke_token(step.now, request.token_id)
        self._carry_out(step, change.operations, change.events)
        return change.reply

    def token_infos(self, step: Step) -> tuple[TokenInfo, ...]:
        """Give all tokens as people see them."""
        return self._authority.token_infos(step.now)

    def on_deadline(self, step: Step) -> None:
        """Let the authority forget what is over."""
        self._carry_out(step, self._authority.on_deadline(step.now), ())
