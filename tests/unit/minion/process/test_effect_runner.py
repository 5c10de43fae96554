"""Carrying effects out: in order, except that what waits for the disk is passed."""

from pathlib import Path
from typing import Any, cast

from limpet.common.clock import SystemClock
from limpet.common.identifiers import Attempt, Commit, JobId
from limpet.common.messages.jobs import Accepted
from limpet.common.observability.logs import Level, Log
from limpet.minion.core.effects import DropSpool, KillJob, Persist, Report, Send
from limpet.minion.journal.records import JobTombstone
from limpet.minion.master_keys.io.key_writer import KeyWriter
from limpet.minion.process.effect_runner import EffectRunner

JOB = JobId("0" * 26)


class Recorder:
    """Stands where socket, journal, workers and local server stand, and notes what is asked."""

    def __init__(self) -> None:
        self.asked: list[str] = []

    def send(self, attempt: Attempt, message: Any) -> None:  # noqa: ANN401 - any message
        self.asked.append(f"send {message.session}")

    def persist(self, commit: Commit, records: tuple[Any, ...]) -> None:
        self.asked.append(f"persist {commit}")

    def kill(self, now: object, jid: JobId, reason: str) -> None:
        self.asked.append(f"kill {reason}")

    def drop(self, jid: JobId) -> None:
        self.asked.append("drop")


def send(number: int, after: int = 0) -> Send:
    """Make a message that can be told apart by its session."""
    return Send(Attempt(1), Accepted(number, JOB), Commit(after))


def runner_of(recorder: Recorder) -> EffectRunner:
    """Make an effect runner all of whose parts are the recorder."""
    parts = cast(Any, recorder)
    log = Log(level=Level.QUIET)
    return EffectRunner(
        cast(Any, Path()),
        log,
        SystemClock(),
        socket=parts,
        journal=parts,
        workers=parts,
        server=parts,
        trust=KeyWriter(Path(), "", SystemClock(), log),
    )


def test_what_waits_for_a_commit_is_held_back_and_then_goes_in_order() -> None:
    recorder = Recorder()
    runner = runner_of(recorder)
    runner.carry_out(
        [
            Persist(Commit(1), (JobTombstone(JOB, 0.0),)),
            send(1, after=1),
            send(2),
            Persist(Commit(2), (JobTombstone(JOB, 0.0),)),
            KillJob(JOB, "cancelled", Commit(2)),
            send(3, after=1),
            DropSpool(JOB, Commit(2)),
            Report("debug", "topic", "text"),
        ]
    )
    assert recorder.asked == ["persist 1", "send 2", "persist 2"]
    runner.on_durable(Commit(1))
    assert recorder.asked[3:] == ["send 1", "send 3"]
    runner.on_durable(Commit(2))
    assert recorder.asked[5:] == ["kill cancelled", "drop"]
    runner.carry_out([send(4, after=2)])
    assert recorder.asked[7:] == ["send 4"]
    runner.close()


def test_one_sync_may_serve_several_commits() -> None:
    recorder = Recorder()
    runner = runner_of(recorder)
    runner.carry_out([send(1, after=1), send(2, after=3), send(3, after=2)])
    runner.on_durable(Commit(3))
    assert recorder.asked == ["send 1", "send 2", "send 3"]
    runner.close()
