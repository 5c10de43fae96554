"""Where the parts of the core put what they want done, in order, and number their commits."""

from limpet.common.identifiers import Commit
from limpet.minion.core.effects import Effect, Persist, Report
from limpet.minion.journal.records import Record


class Outbox:
    """The effects of one event, and the count of commits over the whole life of the core."""

    __slots__ = ("_effects", "durable", "last_commit")

    def __init__(self) -> None:
        self.last_commit = Commit(0)
        """The newest commit asked for."""
        self.durable = Commit(0)
        """The newest commit that is on disk, and with it all before."""
        self._effects: list[Effect] = []

    def add(self, effect: Effect) -> None:
        """Append one effect."""
        self._effects.append(effect)

    def persist(self, *records: Record) -> Commit:
        """Ask for the records to be written as one commit; give its number to wait for."""
        assert records
        self.last_commit = Commit(self.last_commit + 1)
        self._effects.append(Persist(self.last_commit, records))
        return self.last_commit

    def debug(self, topic: str, text: str) -> None:
        """Report something that only a developer wants to see."""
        self._effects.append(Report("debug", topic, text))

    def info(self, topic: str, text: str) -> None:
        """Report something that people want to see in the log."""
        self._effects.append(Report("info", topic, text))

    def warning(self, topic: str, text: str) -> None:
        """Report something that is wrong and will be tried again."""
        self._effects.append(Report("warning", topic, text))

    def error(self, topic: str, text: str) -> None:
        """Report something that a person must put right."""
        self._effects.append(Report("error", topic, text))

    def on_committed(self, commit: Commit) -> None:
        """Note that this commit and all before it are on disk."""
        self.durable = max(self.durable, min(commit, self.last_commit))

    def take(self) -> list[Effect]:
        """Give the effects collected so far, and start anew."""
        effects, self._effects = self._effects, []
        return effects
