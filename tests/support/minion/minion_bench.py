"""A minion's core on a bench: a clock that is moved by hand, a shell that keeps what came out.

The bench carries effects out as a shell must: what waits for a commit is held back, what is sent
on a closed socket is dropped. It keeps the rules that a shell relies on, and fails a test that
sees one broken: a finite deadline, commits in order, a jid spawned once, one socket at a time.
"""

import math
import random
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

from limpet.common.clock import Instant, Moment, to_micros
from limpet.common.identifiers import Attempt, Commit, JobId, JournalId, MinionId
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest, EnrolStatus
from limpet.common.messages.fields import Message
from limpet.common.messages.jobs import Deliver
from limpet.common.messages.session import (
    Beat,
    Hello,
    MasterBeat,
    SyncAnswer,
    SyncPage,
    SyncVerdict,
    Welcome,
)
from limpet.common.transport.events import LinkEvent
from limpet.common.wire.codec import FromMaster
from limpet.minion.core.effects import (
    CloseSocket,
    Effect,
    OpenSocket,
    Persist,
    Prove,
    ReleaseJob,
    Report,
    Send,
    SpawnJob,
)
from limpet.minion.core.machine import MinionCore
from limpet.minion.core.settings import LinkSettings
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.journal.records import JournalState, Note, replay
from limpet.minion.sessions.states import State

E = TypeVar("E")
M = TypeVar("M")

BOOT_ID = "b" * 32
SETTINGS = LinkSettings(MinionId("web1"), "10.0.0.1", "aa" * 32)
Instants = Mapping[str, Callable[[list[Any], dict[str, Any]], Any]]
INSTANT: Instants = {"test.ping": lambda positional, keyword: True}
NO_ARGUMENTS = b"\x92\x90\x80"
HOUR = 3600.0


def jid(number: int) -> JobId:
    """Give a well-formed job id that is easy to tell apart."""
    return JobId(f"{number:026d}")


def accepted_journal() -> JournalState:
    """Give the journal of a minion whose key the master once accepted, without jobs."""
    state = JournalState(journal_id=JournalId("c" * 32))
    replay(state, Note("is_accepted", "1"))
    return state


class Bench:
    """One core, its disk and its shell."""

    def __init__(
        self,
        journal: JournalState | None = None,
        *,
        settings: LinkSettings = SETTINGS,
        seed: int = 1,
        boot_s: float = 1000.0,
        wall_s: float = 1_700_000_000.0,
        boot_id: str = BOOT_ID,
        is_disk_prompt: bool = True,
        instant: Instants = INSTANT,
    ) -> None:
        self.now = Moment(Instant(boot_s), wall_s)
        self.disk = accepted_journal() if journal is None else journal
        self.is_disk_prompt = is_disk_prompt
        self.effects: list[Effect] = []
        """All effects ever, in order."""
        self.done: list[Effect] = []
        """Those that were carried out: what waits for a commit comes when that is durable."""
        self.attempt = Attempt(0)
        self.is_open = False
        self.durable = Commit(0)
        self.session = 7
        self.master_number = 0
        self._unwritten: list[Persist] = []
        self._held: list[Send | SpawnJob | ReleaseJob] = []
        self._spawned: set[JobId] = set()
        self._last_commit = 0
        self.core = MinionCore(
            settings,
            self.disk,
            now=self.now,
            boot_id=boot_id,
            chance=random.Random(seed),
            instant=instant,
        )

    # --- the shell ------------------------------------------------------------------------------

    def take(self, effects: list[Effect]) -> list[Effect]:
        """Carry effects out as the shell does; gives them back."""
        assert math.isfinite(self.core.next_deadline)
        self.effects += effects
        for effect in effects:
            after = getattr(effect, "after", Commit(0))
            assert after <= self._last_commit, f"{effect} waits for a commit never asked for"
            if after > self.durable:
                self._held.append(effect)  # type: ignore[arg-type]
            else:
                self._carry_out(effect)
        if self.is_disk_prompt:
            self.write()
        return effects

    def _carry_out(self, effect: Effect) -> None:
        if isinstance(effect, Persist):
            assert effect.commit == self._last_commit + 1
            self._last_commit = effect.commit
            self._unwritten.append(effect)
        elif isinstance(effect, OpenSocket):
            assert not self.is_open, "two sockets at a time"
            assert effect.attempt > self.attempt
            self.attempt, self.is_open = effect.attempt, True
        elif isinstance(effect, CloseSocket):
            assert self.is_open
            assert effect.attempt == self.attempt
            self.is_open = False
        elif isinstance(effect, SpawnJob):
            assert effect.jid not in self._spawned, "spawned twice"
            self._spawned.add(effect.jid)
        elif isinstance(effect, Send) and (not self.is_open or effect.attempt != self.attempt):
            return
        self.done.append(effect)

    def write(self) -> None:
        """Make all that was persisted durable."""
        while self._unwritten:
            persist = self._unwritten.pop(0)
            for record in persist.records:
                replay(self.disk, record)
            self.durable = persist.commit
            held, self._held = self._held, []
            for effect in held:
                if effect.after <= self.durable:
                    self._carry_out(effect)
                else:
                    self._held.append(effect)
            self.take(self.core.on_committed(self.now, persist.commit))

    def crash(self) -> JournalState:
        """Give what is on the disk; what was not written is lost."""
        return self.disk

    # --- time -----------------------------------------------------------------------------------

    def pass_time(self, seconds: float) -> None:
        """Move both clocks, without telling the core."""
        self.now = Moment(Instant(self.now.boot + seconds), self.now.wall + seconds)

    def advance(self, seconds: float) -> None:
        """Let time pass, waking the core at each of its deadlines."""
        end = self.now.boot + seconds
        for _ in range(100_000):
            due = self.core.next_deadline
            if due > end:
                break
            self.pass_time(max(0.0, due - self.now.boot) + 1e-6)
            self.take(self.core.on_deadline(self.now))
        else:
            raise AssertionError("the core asks to be woken without end")
        self.pass_time(max(0.0, end - self.now.boot))

    def advance_to(self, state: State, seconds_max: float = 600.0) -> None:
        """Let time pass until the link is in a state."""
        end = self.now.boot + seconds_max
        while self.core.state is not state:
            assert self.now.boot < end, f"still {self.core.state} after {seconds_max} s"
            self.pass_time(max(0.0, self.core.next_deadline - self.now.boot) + 1e-6)
            self.take(self.core.on_deadline(self.now))

    def state(self) -> State:
        """Give the state of the link (a call, so that type checkers expect it to change)."""
        return self.core.state

    # --- looking --------------------------------------------------------------------------------

    def of(self, kind: type[E]) -> list[E]:
        """Give the effects of a kind that were carried out."""
        return [effect for effect in self.done if isinstance(effect, kind)]

    def sent(self, kind: type[M]) -> list[M]:
        """Give the messages of a kind that left."""
        return [
            effect.message
            for effect in self.done
            if isinstance(effect, Send) and isinstance(effect.message, kind)
        ]

    def last(self, kind: type[M]) -> M:
        """Give the newest message of a kind that left."""
        messages = self.sent(kind)
        assert messages, f"no {kind.__name__} was sent"
        return messages[-1]

    def reports(self) -> list[str]:
        """Give all that was reported above debug."""
        return [report.text for report in self.of(Report) if report.level != "debug"]

    # --- a master -------------------------------------------------------------------------------

    def hear(self, message: FromMaster | EnrolAnswer) -> list[Effect]:
        """Let the master say something on the present socket."""
        return self.take(self.core.on_message(self.now, self.attempt, message))

    def link(self, what: LinkEvent) -> list[Effect]:
        """Let the transport say something of the present socket."""
        return self.take(self.core.on_link(self.now, self.attempt, what))

    def start(self) -> "Bench":
        """Start the core."""
        self.take(self.core.start(self.now))
        return self

    def connect(self) -> "Bench":
        """Let TCP and CURVE succeed."""
        self.link("connected")
        self.link("ready")
        return self

    def welcome(self, **changes: object) -> Welcome:
        """Give a Welcome that answers the last Hello."""
        fields: dict[str, Any] = {
            "session": self.session,
            "nonce": self.last(Hello).nonce,
            "protocol": 2,
            "version": "1",
            "minion_id": "web1",
            "beat_interval": to_micros(5),
            "fleet": 10,
            "store_id": "s",
            "store_commit": 1,
            "master_clock": to_micros(self.now.boot),
            "wants_grains": False,
            "remember": to_micros(7 * 24 * HOUR),
            "return_bytes_max": 100_000_000,
        }
        return Welcome(**{**fields, **changes})

    def answer_sync(self, *verdicts: SyncVerdict) -> None:
        """Answer the last page of SYNC."""
        self.hear(SyncAnswer(self.session, self.last(SyncPage).page, tuple(verdicts)))

    def ready(self, **changes: object) -> "Bench":
        """Bring the link from its start to READY."""
        self.start().connect()
        self.hear(self.welcome(**changes))
        self.answer_sync()
        assert self.core.is_ready
        return self

    def come_back(self, seconds_max: float = 120.0) -> "Bench":
        """Let the link connect again and become READY in a new session."""
        self.advance_to(State.CONNECTING, seconds_max)
        self.session += 1
        self.master_number = 0
        self.connect()
        self.hear(self.welcome())
        self.answer_sync()
        assert self.core.is_ready
        return self

    def echo(self, number: int | None = None) -> None:
        """Let the master's beat echo the last own beat (or another)."""
        self.master_number += 1
        echo = self.last(Beat).number if number is None else number
        clock = to_micros(self.now.boot)
        self.hear(MasterBeat(self.session, self.master_number, echo, clock, 1))

    def deliver(self, number: int, function: str = "cmd.run", **changes: object) -> JobId:
        """Let the master deliver a job with an hour to live."""
        fields: dict[str, Any] = {
            "session": self.session,
            "jid": jid(number),
            "function": function,
            "arguments": NO_ARGUMENTS,
            "expires_at": to_micros(self.now.boot + HOUR),
            "job_timeout": 0,
            "is_streamed": False,
            "user": "root",
        }
        self.hear(Deliver(**{**fields, **changes}))
        return jid(number)

    def spawn(self, job: JobId, pid: int = 500) -> None:
        """Let the shell have made a worker."""
        self.take(self.core.on_job_spawned(self.now, job, pid, 12345))

    def end(self, job: JobId, result: WorkerResult | None = None) -> None:
        """Let the worker end."""
        outcome = WorkerResult("ok", 0, body=b"\xc3", body_bytes=1) if result is None else result
        self.take(self.core.on_job_ended(self.now, job, outcome))

    def enrol_answer(self, status: EnrolStatus, retry_s: float = 0.0, text: str = "") -> None:
        """Let the enrolment port answer."""
        requests = self.sent(EnrolRequest) + [prove.request for prove in self.of(Prove)]
        self.hear(EnrolAnswer(requests[-1].nonce, status, to_micros(retry_s), text))


def message_names(bench: Bench) -> list[str]:
    """Give the names of all messages that left, in order."""
    return [
        type(effect.message).__name__
        for effect in bench.done
        if isinstance(effect, Send) and isinstance(effect.message, Message)
    ]
