"""One turn of the core: what one event leads to, collected in order.

All changes of the store that one event makes go into one commit, whose number is known from the
beginning of the turn, so that every effect can name it.
"""

from typing import Literal

from limpet.common.clock import Moment
from limpet.common.control.replies import Event, Reply
from limpet.common.identifiers import Commit, MinionKey
from limpet.common.messages.fields import Message
from limpet.master.core.effects import (
    NOW,
    Answer,
    Client,
    Count,
    Disconnect,
    Effect,
    Peer,
    Persist,
    Publish,
    Report,
    Send,
)
from limpet.master.store.operations import Operation

Level = Literal["debug", "info", "warning", "error"]


class Step:
    """The operations and effects of one event."""

    __slots__ = ("_rejected", "commit", "durable", "effects", "now", "operations")

    def __init__(
        self, now: Moment, commit: Commit, durable: Commit, rejected: dict[str, int]
    ) -> None:
        self.now = now
        self.commit = commit
        """The number that this turn's commit gets, if there is one."""
        self.durable = durable
        """The last commit that is on disk."""
        self.operations: list[Operation] = []
        self.effects: list[Effect] = []
        self._rejected = rejected

    def keep(self, operation: Operation) -> Commit:
        """Put a change into this turn's commit; gives the commit's number."""
        self.operations.append(operation)
        return self.commit

    def send(self, peer: Peer, key: MinionKey, message: Message, after: Commit = NOW) -> None:
        """Send a message to a connection once commit `after` is durable."""
        self.effects.append(Send(peer, key, message, after))

    def answer(self, client: Client, reply: Reply, after: Commit = NOW) -> None:
        """Answer a client once commit `after` is durable."""
        self.effects.append(Answer(client, reply, after))

    def publish(self, event: Event, after: Commit = NOW) -> None:
        """Give an event to those who follow, once commit `after` is durable."""
        self.effects.append(Publish(event, after))

    def disconnect(self, peer: Peer, reason: str) -> None:
        """Shut a connection down."""
        self.effects.append(Disconnect(peer, reason))

    def count(self, reason: str) -> None:
        """Count a message that was turned away."""
        self._rejected[reason] = self._rejected.get(reason, 0) + 1
        self.effects.append(Count(reason))

    def report(self, level: Level, topic: str, text: str) -> None:
        """Write a line into the log."""
        self.effects.append(Report(level, topic, text))

    def close(self) -> list[Effect]:
        """Give the effects: the commit first, then all the rest in order."""
        if self.operations:
            return [Persist(self.commit, tuple(self.operations)), *self.effects]
        return self.effects
