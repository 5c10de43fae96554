"""What hosts tell those who watch them. The checkers, the gremlin and transcripts are watchers."""

from typing import TYPE_CHECKING

from limpet.common.messages.fields import Message
from limpet.common.wire.codec import FromMinion
from limpet.master.core import effects as master_do
from limpet.minion.core import effects as minion_do

if TYPE_CHECKING:
    from support.simulator.minion_host import MinionHost
    from support.simulator.network import Connection
    from support.simulator.truth import Run


class Watcher:
    """Sees all that happens; does nothing about it unless a subclass does."""

    def on_minion_effect(self, host: "MinionHost", effect: minion_do.Effect) -> None:
        """See an effect of a minion's core, just before it is carried out."""

    def on_minion_decided(self, host: "MinionHost", effects: list[minion_do.Effect]) -> None:
        """See all that an event led to, before any of it is carried out or held back."""

    def on_minion_heard(self, host: "MinionHost", message: Message) -> None:
        """See that a minion's core has dealt with a message, its effects not yet carried out."""

    def on_minion_step(self, host: "MinionHost") -> None:
        """See a minion after an event and all that it led to."""

    def on_run(self, host: "MinionHost", run: "Run") -> None:
        """See a function begin."""

    def on_master_effect(self, effect: master_do.Effect) -> None:
        """See an effect of the master's core, just before it is carried out."""

    def on_master_heard(
        self, connection: "Connection", message: FromMinion, effects: list[master_do.Effect]
    ) -> None:
        """See what the master's core makes of a message, before it is carried out."""

    def on_master_step(self) -> None:
        """See the master after an event and all that it led to."""


class Watchers(Watcher):
    """Several watchers, in order."""

    def __init__(self, *watchers: Watcher) -> None:
        self.all = list(watchers)

    def on_minion_effect(self, host: "MinionHost", effect: minion_do.Effect) -> None:
        for watcher in self.all:
            watcher.on_minion_effect(host, effect)

    def on_minion_decided(self, host: "MinionHost", effects: list[minion_do.Effect]) -> None:
        for watcher in self.all:
            watcher.on_minion_decided(host, effects)

    def on_minion_heard(self, host: "MinionHost", message: Message) -> None:
        for watcher in self.all:
            watcher.on_minion_heard(host, message)

    def on_minion_step(self, host: "MinionHost") -> None:
        for watcher in self.all:
            watcher.on_minion_step(host)

    def on_run(self, host: "MinionHost", run: "Run") -> None:
        for watcher in self.all:
            watcher.on_run(host, run)

    def on_master_effect(self, effect: master_do.Effect) -> None:
        for watcher in self.all:
            watcher.on_master_effect(effect)

    def on_master_heard(
        self, connection: "Connection", message: FromMinion, effects: list[master_do.Effect]
    ) -> None:
        for watcher in self.all:
            watcher.on_master_heard(connection, message, effects)

    def on_master_step(self) -> None:
        for watcher in self.all:
            watcher.on_master_step()
