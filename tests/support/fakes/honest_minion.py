"""A minion that keeps the rules, for tests of the master: its journal is a dict."""

from collections import Counter

from limpet.common.messages.fields import Message
from limpet.common.messages.jobs import Cancel, CancelAnswer, Deliver, Outcome, ReturnAck
from limpet.common.messages.session import (
    Regreet,
    SyncAnswer,
    SyncEntry,
    SyncPage,
    SyncState,
    Welcome,
)
from support.master.master_bench import Bench, MinionOnBench


class HonestMinion(MinionOnBench):
    """Answers all that it is sent; runs and ends jobs when it is told to."""

    def __init__(self, bench: Bench, name: str, *, host: str = "", journal: str = "") -> None:
        super().__init__(bench, name, host=host, journal=journal)
        self.jobs: dict[str, str] = {}
        """Jid to `accepted`, `running`, `finished`, `acknowledged` or `tombstone`."""
        self.outcomes: dict[str, Outcome] = {}
        self.runs: Counter[str] = Counter()
        self.is_ready = False
        self._read = 0

    def come(self) -> None:
        """Open a new socket, greet and sync; what was under way on the old one is gone."""
        self.is_ready = False
        self._read = len(self.bench.sent)
        self.session = 0
        self.say(self.hello())
        self.work()

    def tell_all(self) -> None:
        """Sync; the verdicts come at once, or when the master's disk is done."""
        states: dict[str, SyncState] = {
            "accepted": "accepted",
            "running": "running",
            "finished": "finished",
        }
        entries = tuple(
            SyncEntry(jid, states[state]) for jid, state in self.jobs.items() if state in states
        )
        self.say(SyncPage(self.session, 0, True, entries))

    def _obey(self, jid: str, verdict: str) -> None:
        if verdict == "acknowledge":
            self.jobs[jid] = "acknowledged"
        elif verdict == "resend":
            self.finish(jid, self.outcomes[jid])
        elif verdict == "cancel":
            self._cancel(jid)

    def work(self) -> None:
        """Answer what was sent to the present socket and not looked at yet."""
        while self._read < len(self.bench.sent):
            peer, message = self.bench.sent[self._read]
            self._read += 1
            if peer == self.peer:
                self._answer(message)

    def _answer(self, message: Message) -> None:
        match message:
            case Deliver(jid=jid):
                self._on_deliver(jid)
            case ReturnAck(jid=jid):
                if self.jobs.get(jid) == "finished":
                    self.jobs[jid] = "acknowledged"
            case Cancel(jid=jid):
                self._cancel(jid)
            case Regreet(session=session) if session == self.session:
                self.is_ready = False
                self.say(self.greeting())
            case Welcome():
                self.take([message])
                self.tell_all()
            case SyncAnswer(session=session, verdicts=verdicts) if session == self.session:
                self.is_ready = True
                for verdict in verdicts:
                    self._obey(verdict.jid, verdict.verdict)
            case _:
                pass

    def _on_deliver(self, jid: str) -> None:
        state = self.jobs.setdefault(jid, "accepted")
        if state in ("accepted", "acknowledged"):
            self.accept(jid)
        elif state == "running":
            self.begin(jid)
        elif state == "tombstone":
            self.finish(jid, "cancelled", b"")
        else:
            self.finish(jid, self.outcomes[jid])

    def _cancel(self, jid: str) -> None:
        state = self.jobs.get(jid)
        if state is None or state == "tombstone":
            self.jobs[jid] = "tombstone"
            self.say(CancelAnswer(self.session, jid, "cancelled"))
        elif state in ("finished", "acknowledged"):
            self.say(CancelAnswer(self.session, jid, "finished"))
        else:
            self.say(CancelAnswer(self.session, jid, "cancelling"))
            self.end(jid, "cancelled")

    def start(self, jid: str) -> None:
        """Let an accepted job run."""
        if self.jobs.get(jid) == "accepted":
            self.jobs[jid] = "running"
            self.runs[jid] += 1
            self.begin(jid)

    def end(self, jid: str, outcome: Outcome = "ok") -> None:
        """Let a job end."""
        if self.jobs.get(jid) in ("accepted", "running"):
            self.jobs[jid] = "finished"
            self.outcomes[jid] = outcome
            self.finish(jid, outcome)
