"""The link's view of its jobs' processes: spawn, release, adopt, kill, and hear how they ended.

Never blocks: processes are made by the fork server, files are read by the disk thread, and ends
are told by pidfds. Supervisors are watched whoever made them, so that neither a new link nor a
new fork server loses one.

    spawn --Held--> held --release--> running --pidfd--> reading --result read--> Ended
    spawn --NotHeld, 10 s, no fork server--> SpawnFailed     adopt --> running
"""

import os
import signal
from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Final, Literal

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.errors import HostError
from limpet.common.identifiers import JobId
from limpet.common.storage.files import host_error
from limpet.minion.core.effects import SpawnJob
from limpet.minion.jobs.events import (
    Ended,
    RunningJob,
    Spawned,
    SpawnFailed,
    WithoutScope,
    WorkerEvent,
)
from limpet.minion.process.disk_thread import DiskThread
from limpet.minion.spool import leftovers
from limpet.minion.spool.spool import Spool
from limpet.minion.workers.fork_server_connection import PROGRAM, ForkServerConnection
from limpet.minion.workers.fork_server_messages import Abandon, Held, Release, Spawn, WorkerSetup
from limpet.minion.workers.supervised_job import SupervisedJob

SPAWN_S: Final = 10.0
"""Within this a supervisor holds the job, or the spawn has failed."""
SPAWN_ATTEMPTS_MAX: Final = 2
"""A fork server that ended while it was asked (it was idle) is made anew this often."""
TAIL_S: Final = 0.1
"""How often the output of a streamed job is looked at."""
TAIL_PIECES_MAX: Final = 4
"""Pieces of output that one look may give."""

Given = Callable[[Moment], list[WorkerEvent]]
"""What a disk task gives back: the rest of it, done in the loop."""


class JobProcesses:
    """All jobs of this minion that have a process."""

    def __init__(self, spool: Path, setup: WorkerSetup, program: Sequence[str] = PROGRAM) -> None:
        """Take the spool over. Raises `HostError` if it can't be made.

        `program` is what the interpreter is told to run as the fork server.
        """
        assert Path(setup.spool) == spool
        self._setup = setup
        self._spool = Spool(spool)
        self._spool.prepare()
        self._fork_server = ForkServerConnection(setup, program)
        self._disk_thread: DiskThread[Given] = DiskThread()
        self._jobs: dict[JobId, SupervisedJob] = {}
        self._events: list[WorkerEvent] = []

    # --- asked by the daemon ------------------------------------------------------------------

    def spawn(self, now: Moment, job: SpawnJob) -> None:
        """Have a supervisor hold the job; `Spawned` or `SpawnFailed` comes within 10 s."""
        assert job.jid not in self._jobs, "a jid is spawned once"
        request = Spawn(
            job.jid,
            job.function,
            job.arguments,
            job.job_timeout_s,
            job.is_streamed,
            job.user,
            job.return_bytes_max,
        )
        entry = SupervisedJob(job.jid, request, now.after(SPAWN_S))
        self._jobs[job.jid] = entry
        # What an earlier spawn of this jid left, never released, must not be read as its end.
        self._disk_thread.add(partial(self._clear, job.jid))

    def release(self, now: Moment, jid: JobId) -> None:
        """Let the held job run. Harmless for one that has ended meanwhile."""
        entry = self._jobs.get(jid)
        if entry is None or entry.state != "held":
            return
        entry.state = "running"
        entry.started_wall_s = now.wall
        if entry.is_streamed:
            entry.next_tail = now.after(TAIL_S)
        self._fork_server.send_if_open(Release(jid))

    def adopt(
        self,
        now: Moment,
        jid: JobId,
        pid: int,
        process_start: int,
        *,
        is_streamed: bool = False,
    ) -> None:
        """Watch the supervisor that an earlier link let run; it ends as any other, at once if gone.

        Pid 0: it is known to be gone, with the host as it was then.
        """
        assert jid not in self._jobs, "a jid is adopted once"
        entry = SupervisedJob(jid, None, FOREVER)
        entry.is_streamed = is_streamed
        if is_streamed:
            entry.next_tail = now.after(TAIL_S)
        self._jobs[jid] = entry
        self._watch(entry, pid, process_start)

    def kill(self, now: Moment, jid: JobId, reason: Literal["cancelled", "timeout"]) -> None:
        """End the job's whole tree; its `Ended` follows. Harmless for one that has ended."""
        entry = self._jobs.get(jid)
        if entry is None or entry.state == "reading":
            return
        if entry.state == "asked":
            self._fail(entry, "cancelled before it was spawned")
            return
        number = signal.SIGUSR2 if reason == "cancelled" else signal.SIGUSR1
        try:
            signal.pidfd_send_signal(entry.pidfd, number)
        except ProcessLookupError:
            return  # it has ended; its pidfd says so

    def read_body(self, jid: JobId, offset: int, size: int) -> None:
        """Read a piece of the body in the spool; `BodyRead` follows."""
        self._disk_thread.add(partial(self._read_body, jid, offset, size))

    def open_body(self, jid: JobId) -> int:
        """Open the body in the spool; the descriptor is the caller's. Raises `HostError`."""
        path = self._spool.body(jid)
        try:
            return os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_CLOEXEC)
        except OSError as error:
            raise host_error("read", path, error) from error

    def drop(self, jid: JobId) -> None:
        """Delete what the job left in the spool."""
        self._disk_thread.add(partial(self._drop, jid))

    def tidy(self, known: set[JobId]) -> None:
        """Delete what other jobs than the known ones left in the spool; for the start."""
        self._disk_thread.add(partial(self._tidy, {str(jid) for jid in known}))

    def running(self) -> tuple[RunningJob, ...]:
        """List the jobs that have a process now."""
        return tuple(
            RunningJob(
                entry.jid,
                entry.spawn.function if entry.spawn else "",
                entry.spawn.user if entry.spawn else "",
                entry.pid,
                entry.started_wall_s,
                entry.spawn.arguments if entry.spawn else b"",
            )
            for entry in self._jobs.values()
            if entry.state in ("held", "running")
        )

    # --- the loop -----------------------------------------------------------------------------

    @property
    def fork_server_pid(self) -> int:
        """The pid of the fork server; 0: there is none."""
        return self._fork_server.pid

    @property
    def next_deadline(self) -> Instant:
        """Say when `collect` is wanted even if nothing comes."""
        if self._events or self._fork_server.has_ended:
            return Instant(0.0)
        return min(
            (min(entry.give_up, entry.next_tail) for entry in self._jobs.values()), default=FOREVER
        )

    def filenos(self) -> tuple[int, ...]:
        """Give what to poll for reading."""
        pidfds = (
            entry.pidfd
            for entry in self._jobs.values()
            if entry.pidfd >= 0 and entry.state != "reading"
        )
        return (self._disk_thread.fileno(), *self._fork_server.filenos(), *pidfds)

    def wants_write(self) -> tuple[int, ...]:
        """Give what to poll for writing as well."""
        return self._fork_server.wants_write()

    def collect(self, now: Moment) -> list[WorkerEvent]:
        """Take in what has happened and do what is due; gives events in order."""
        for message in self._fork_server.receive():
            if isinstance(message, Held):
                self._on_held(JobId(message.jid), message.pid, message.process_start)
                if message.problem:
                    self._events.append(WithoutScope(JobId(message.jid), message.problem))
            else:
                entry = self._jobs.get(JobId(message.jid))
                if entry is not None and entry.state == "asked":
                    self._fail(entry, message.reason)
        if self._fork_server.take_end():
            self._on_fork_server_gone()
        for give in self._disk_thread.collect():
            self._events += give(now)
        for entry in list(self._jobs.values()):
            self._look_at(now, entry)
        events, self._events = self._events, []
        return events

    def close(self, wait_s: float = 2.0) -> None:
        """Let go of everything; jobs that run go on, jobs that are held never run."""
        self._fork_server.close()
        self._disk_thread.close(wait_s)
        for entry in self._jobs.values():
            entry.close()
        self._jobs.clear()

    # --- what happens -------------------------------------------------------------------------

    def _on_held(self, jid: JobId, pid: int, process_start: int) -> None:
        entry = self._jobs.get(jid)
        if entry is None or entry.state != "asked":
            self._fork_server.send_if_open(Abandon(jid))  # given up meanwhile
            return
        entry.give_up = FOREVER
        if self._watch(entry, pid, process_start):
            entry.state = "held"
        else:  # gone already, or nothing is left to watch it by: then it must not stay held
            self._fork_server.send_if_open(Abandon(jid))
        self._events.append(Spawned(jid, pid, process_start))

    def _watch(self, entry: SupervisedJob, pid: int, process_start: int) -> bool:
        """Begin to wait for the end of the process; False if it has come already."""
        entry.state = "running"
        if entry.watch(pid, process_start):
            return True
        self._read_end(entry)
        return False

    def _on_fork_server_gone(self) -> None:
        """Ask a new fork server for what the old one did not answer."""
        for entry in list(self._jobs.values()):
            if entry.state != "asked" or entry.attempts == 0:
                continue
            if entry.attempts < SPAWN_ATTEMPTS_MAX:
                self._ask(entry)
            else:
                self._fail(entry, "the fork server ended twice before it held the job")

    def _ask(self, entry: SupervisedJob) -> None:
        assert entry.spawn is not None
        entry.attempts += 1
        try:
            self._fork_server.send(entry.spawn)
        except HostError as error:
            self._fail(entry, str(error))

    def _fail(self, entry: SupervisedJob, reason: str) -> None:
        """Give a spawn up; whatever comes of it later is never let run."""
        self._jobs.pop(entry.jid, None)
        self._fork_server.send_if_open(Abandon(entry.jid))
        self._events.append(SpawnFailed(entry.jid, reason))

    def _look_at(self, now: Moment, entry: SupervisedJob) -> None:
        if now.boot >= entry.give_up and entry.state == "asked":
            # A fork server that does not answer is hung; its supervisors live on without it.
            self._fork_server.kill()
            self._fail(entry, f"the fork server did not answer in {SPAWN_S:g} s and was ended")
        elif entry.state in ("held", "running") and entry.has_ended:
            self._read_end(entry)
        elif now.boot >= entry.next_tail:
            entry.next_tail = FOREVER if entry.is_tailing else now.after(TAIL_S)
            if not entry.is_tailing:
                self._tail(entry)

    def _tail(self, entry: SupervisedJob) -> None:
        entry.is_tailing = True
        pieces = TAIL_PIECES_MAX if entry.state != "reading" else leftovers.LAST_PIECES_MAX
        self._disk_thread.add(partial(self._read_output, entry, pieces))

    def _read_end(self, entry: SupervisedJob) -> None:
        when = "while it was held" if entry.state == "held" else "while it ran"
        if entry.spawn is None:  # it may never have been let go by the link that made it
            when = "while it ran, or the minion before it let the job begin"
        entry.state = "reading"
        entry.next_tail = FOREVER
        if entry.is_streamed:
            self._tail(entry)
        self._disk_thread.add(partial(self._read_result, entry.jid, entry.pid, when))
        entry.reap()

    # --- in the disk thread: each gives what the loop does with it -----------------------------

    def _clear(self, jid: JobId) -> list[Given]:
        problem = leftovers.drop(self._spool, jid)

        def go_on(_: Moment) -> list[WorkerEvent]:
            entry = self._jobs.get(jid)
            if entry is None or entry.state != "asked":
                return []
            if problem:
                self._fail(entry, problem)
            else:
                self._ask(entry)
            return []

        return [go_on]

    def _drop(self, jid: JobId) -> list[Given]:
        leftovers.drop(
            self._spool, jid
        )  # what is not deleted now is tidied up after the next start
        return []

    def _tidy(self, known: set[str]) -> list[Given]:
        leftovers.tidy(self._spool, known)
        return []

    def _read_body(self, jid: JobId, offset: int, size: int) -> list[Given]:
        event = leftovers.body(self._spool, jid, offset, size)
        return [lambda _: [event]]

    def _read_output(self, entry: SupervisedJob, pieces_max: int) -> list[Given]:
        read = leftovers.output(self._spool, entry.jid, entry.output_offset, pieces_max)
        events, entry.output_offset = read

        def go_on(now: Moment) -> list[WorkerEvent]:
            entry.is_tailing = False
            if entry.state == "running":
                entry.next_tail = now.after(TAIL_S)
            return [*events]

        return [go_on]

    def _read_result(self, jid: JobId, pid: int, when: str) -> list[Given]:
        state_directory = self._setup.state_directory
        result = leftovers.result(self._spool, state_directory, jid, when, had_process=pid != 0)
        ended = Ended(jid, result)

        def go_on(_: Moment) -> list[WorkerEvent]:
            entry = self._jobs.pop(jid, None)
            if entry is not None:
                entry.close()
            return [ended]

        return [go_on]
