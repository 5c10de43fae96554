"""The supervisor: the process that holds one job, watches its worker, and writes how it ended.

    held --released--> running --worker ended with a report----------> written
                       running --worker ended without one--> ending -> written
                       running --timeout, memory, a signal-> ending -> written
    held --a signal--> written                   held --line closed--> gone without a trace

It outlives the link and the fork server. Its session and its duty as reaper make sure that it sees
every process that the job made: `ending` is over when none is left. What a job that *ended by
itself* left running (a daemon) lives on, in the job's scope if it has one, and is named in the
result. SIGUSR2 cancels, SIGUSR1 means that the time is up; SIGTERM comes from outside (the host is
stopping) and interrupts.
"""

import enum
import mmap
import os
import select
import signal
import time
from contextlib import suppress
from typing import Final, NoReturn

import msgspec

from limpet.common.messages.jobs import Outcome
from limpet.common.storage.files import full_words, is_disk_full
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.spool import capture, supervisor_report
from limpet.minion.spool.spool import Spool
from limpet.minion.workers import job_memory, process_setup, process_table, scope
from limpet.minion.workers.fork_server_messages import Spawn, WorkerSetup, spool_of
from limpet.minion.workers.worker import REPORT_BYTES_MAX, WorkerReport, one_line, work
from limpet.states.sls.limits import read_breadcrumb, share_breadcrumb

READ_BYTES: Final = 64 * 1024
DRAIN_BYTES_MAX: Final = 4 * 1024 * 1024
"""What is still read from the pipe when the worker has ended; others may go on writing for ever."""
GIVE_UP_S: Final = 8.0
"""How long processes that even SIGKILL does not end (dead disks) are waited for."""
STOP_S: Final = 0.3
"""A host that stops signals worker and supervisor in any order: so long the other is waited for."""
LEAVE_S: Final = 0.1
"""What a job leaves running may have to end by itself in this time, before it is told."""
NAMED_MAX: Final = 5

SUPERVISOR_NICE: Final = -10
"""A supervisor does little, and that at once: before all that the job does, which has 0."""

HELD: Final = b"held"
"""Said when the job is held; a colon and why it has no scope of its own may follow."""


class Why(enum.Enum):
    """Why a job is ended; the value is the signal that asks for it, if one does."""

    CANCELLED = signal.SIGUSR2
    STOPPED = signal.SIGUSR1
    INTERRUPTED = signal.SIGTERM
    TIMEOUT = "timeout"
    MEMORY = "memory"


_ASKED: Final = {int(why.value): why for why in (Why.CANCELLED, Why.STOPPED, Why.INTERRUPTED)}


def supervise(job: Spawn, setup: WorkerSetup, line: int) -> NoReturn:
    """Be the supervisor, from the fork to the end of the process. Never returns, never raises.

    `line` is a connected stream socket to the fork server: the supervisor says `held` or what is
    wrong, the fork server answers with one byte to let the job run, or closes it.
    """
    status = 70
    try:
        status = _Supervisor(job, setup, line).live()
    finally:
        # A forked process must never run its parent's code: not even an exception leaves here.
        os._exit(status)


class _Supervisor:
    """One job's supervisor."""

    def __init__(self, job: Spawn, setup: WorkerSetup, line: int) -> None:
        self._job = job
        self._setup = setup
        self._line = line
        self._pid = os.getpid()
        self._spool = Spool(spool_of(setup))
        self._why: Why | None = None
        self._wake = -1
        self._poll = select.poll()
        self._output = -1
        self._capture = capture.Capture(self._spool.output(job.jid))
        self._worker = 0
        self._worker_status: int | None = None
        self._breadcrumb: mmap.mmap | None = None
        self._started_wall_s = 0.0
        self._started_s = 0.0
        self._scope: scope.Scope | None = None
        self._memory_max = setup.memory_bytes_max or job_memory.limit_of_host() * 3 // 4
        self._memory: job_memory.MemoryWatch | None = None

    def live(self) -> int:
        """Hold, run, write; gives the exit status: 0 if a result was written or none is due."""
        scope.enter()
        self._wake, wake_write = process_setup.wake_on_signals(_ASKED)
        process_setup.close_all_but({self._line, self._wake, wake_write})
        process_setup.no_streams()
        self._poll.register(self._wake, select.POLLIN)
        problem = self._join_scope()
        try:
            slot = self._spool.take_slot(self._job.jid, self._pid)
        except OSError as error:
            why = error.strerror
            if is_disk_full(error):
                why = full_words(self._spool.directory)
            os.write(self._line, f"{why}: no room can be set aside for its result".encode())
            return 0
        with suppress(OSError):  # the fork server is gone: the line says so below
            os.write(self._line, HELD + problem.encode()[:1000])
        if not self._is_released():
            slot.unlink()
            return 0
        try:
            result = self._run()
        except Exception as mistake:  # noqa: BLE001 - the result is the only place to tell it
            text = f"the job's supervisor failed: {type(mistake).__name__}: {mistake}"
            self._end_tree(0.0)
            result = WorkerResult("failed", 1, one_line(text))
        self._capture.close()
        supervisor_report.write(self._job, self._spool, slot, result)
        return 0

    def _join_scope(self) -> str:
        """Enter a scope where there is a systemd to ask; gives why not, after a colon."""
        if not self._setup.service_manager:
            return ""
        try:
            self._scope = scope.Scope.join(
                self._job.jid,
                self._job.function,
                manager=self._setup.service_manager,
                directory=str(self._spool.directory),
                memory_bytes_max=self._setup.memory_bytes_max,
                stop_s=self._setup.terminate_s + 2 * GIVE_UP_S,
            )
        except scope.NoScope as problem:
            return f": {problem}"
        return ""

    # --- held ---------------------------------------------------------------------------------

    def _is_released(self) -> bool:
        """Wait for the word; False: nobody will ever give it, or the job was cancelled first."""
        self._poll.register(self._line, select.POLLIN)
        ready: set[int] = set()
        while self._line not in ready and self._why is None:
            ready = {descriptor for descriptor, _ in self._poll.poll()}
            self._note_signals()
        self._poll.unregister(self._line)
        # Where a signal came first, `_run` sees it before the function would begin.
        return self._why is not None or os.read(self._line, 1) != b""

    # --- running ------------------------------------------------------------------------------

    def _run(self) -> WorkerResult:
        self._started_wall_s, self._started_s = time.time(), time.monotonic()
        if self._why is not None:
            self._started_wall_s = 0.0
            outcome, error, _ = self._say_why()
            return self._ended_by_force(outcome, f"{error} before it began")
        group = None if self._scope is None else self._scope.memory
        self._memory = job_memory.MemoryWatch(self._pid, self._memory_max, group)
        report_fd = self._start_worker()
        try:
            self._watch(self._memory)
            report = _read_report(report_fd)
        finally:
            os.close(report_fd)
        if report is not None and self._worker_status is not None:
            return self._ended_well(report, self._memory.words())
        return self._end_it()

    def _start_worker(self) -> int:
        """Fork the worker; give the reading end of its report pipe."""
        self._breadcrumb = share_breadcrumb()
        report_read, report_write = os.pipe()
        self._output, output_write = os.pipe()
        self._worker = os.fork()
        if self._worker == 0:
            os.close(report_read)
            os.close(self._output)
            os.close(self._line)
            work(
                self._job,
                self._setup,
                supervisor=self._pid,
                report_fd=report_write,
                output_fd=output_write,
            )
        with suppress(OSError):  # not root: then it sees later what a crowd of processes does
            os.setpriority(os.PRIO_PROCESS, 0, SUPERVISOR_NICE)
        os.close(report_write)
        os.close(output_write)
        os.set_blocking(report_read, False)
        os.set_blocking(self._output, False)
        self._poll.register(self._output, select.POLLIN)
        return report_read

    def _watch(self, watch: job_memory.MemoryWatch) -> None:
        """Wait until the worker has ended or has to be ended."""
        timeout_s = self._job.job_timeout_s
        time_up = self._started_s + timeout_s if timeout_s > 0 else float("inf")
        while self._worker_status is None and self._why is None:
            now = time.monotonic()
            if now >= time_up:
                self._why = Why.TIMEOUT
                return
            if now >= watch.next_look_s and watch.is_over():
                self._why = Why.MEMORY
                return
            self._pump(min(time_up, watch.next_look_s) - now)

    def _pump(self, wait_s: float) -> None:
        """Take in output, children that ended, and signals; returns after the first of them."""
        # poll counts in whole milliseconds: one more, so that nothing is asked for too early
        for descriptor, _ in self._poll.poll(max(0.0, wait_s) * 1000 + 1):
            if descriptor == self._output:
                self._read_output()
            else:
                self._note_signals()

    def _read_output(self) -> bool:
        """Keep what is there; False if there is nothing more now (or ever)."""
        try:
            data = os.read(self._output, READ_BYTES)
        except BlockingIOError:
            return False
        if not data:
            self._poll.unregister(self._output)
            os.close(self._output)
            self._output = -1
            return False
        self._capture.write(data)
        return True

    def _note_signals(self) -> None:
        """Learn of signals and bury the dead: the job's orphans too, there must be no zombies."""
        with suppress(BlockingIOError):
            for number in os.read(self._wake, 4096):
                self._why = self._why or _ASKED.get(number)
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                if pid == self._worker:
                    self._worker_status = status

    # --- ending -------------------------------------------------------------------------------

    def _end_it(self) -> WorkerResult:
        """End what is left of the job, and say why."""
        status = self._worker_status
        if self._why is None and status is not None and _ended_by(status) == signal.SIGTERM:
            until = time.monotonic() + STOP_S
            while self._why is None and (left_s := until - time.monotonic()) > 0:
                self._pump(left_s)
        outcome, error, grace_s = self._say_why()
        left = self._end_tree(grace_s)
        if left:
            pids = " ".join(str(process.pid) for process in left[:20])
            error += f"; {len(left)} processes can't be ended and hang in the kernel: {pids}"
        return self._ended_by_force(outcome, error)

    def _say_why(self) -> tuple[Outcome, str, float]:
        """Give outcome, error, and how long the processes may take to end by themselves."""
        if self._why in (Why.TIMEOUT, Why.STOPPED):
            ran_s = time.monotonic() - self._started_s
            limit_s = self._job.job_timeout_s if self._why is Why.TIMEOUT else ran_s
            return "failed", f"timeout after {limit_s:.6g} s", self._setup.terminate_s
        if self._why is Why.CANCELLED:
            return "cancelled", "cancelled", self._setup.cancel_s
        if self._why is Why.INTERRUPTED:
            error = "interrupted by SIGTERM from outside, as when the host stops"
            return "interrupted", error, self._setup.terminate_s
        if self._why is Why.MEMORY:
            mib = self._memory_max // 1024**2
            error = f"the job's processes used more than the {mib} MiB of memory allowed"
            return "failed", error, 0.0
        assert self._worker_status is not None
        error = f"the worker {process_table.say(self._worker_status)}"
        if os.WIFEXITED(self._worker_status):
            error += " without a result"
        if told := "" if self._memory is None else self._memory.words():
            error += f"; {told}"
        elif _ended_by(self._worker_status) == signal.SIGKILL:
            error += ": from outside, or by the kernel for want of memory"
        if self._breadcrumb is not None and (place := read_breadcrumb(self._breadcrumb)):
            error += f" while it rendered {place}"
        return "failed", error, self._setup.cancel_s

    def _end_tree(self, grace_s: float) -> list[process_table.Process]:
        """End every process of the job: politely, then by force until none is left."""
        polite_until = time.monotonic() + grace_s
        if grace_s > 0:
            for process in process_table.descendants(self._pid):
                # A stopped process hears the polite word only when it goes on.
                process_table.send(process, signal.SIGTERM, signal.SIGCONT)
        while time.monotonic() < polite_until:
            self._pump(0.02)
            if not process_table.descendants(self._pid):
                break
        give_up = time.monotonic() + GIVE_UP_S
        while True:
            tree = process_table.descendants(self._pid)
            if not tree or time.monotonic() > give_up:
                self._drain()
                return tree
            for process in tree:
                process_table.send(process, signal.SIGKILL)
            self._pump(0.01)

    # --- the result ---------------------------------------------------------------------------

    def _ended_well(self, report: WorkerReport, told: str) -> WorkerResult:
        """Give the worker's own result, and what its value can't tell of the job's processes."""
        left = self._left_running()
        notes = [report.error, told if report.outcome != "ok" else "", left]
        error = one_line("; ".join(note for note in notes if note))
        return self._result(msgspec.structs.replace(report, error=error))

    def _left_running(self) -> str:
        """Name what the job has left running, and free it of the job's limit; it lives on."""
        until = time.monotonic() + LEAVE_S
        while self._has_children() and time.monotonic() < until:
            self._pump(until - time.monotonic())
        left = process_table.descendants(self._pid) if self._has_children() else []
        if not left:
            return ""
        names = [f"{process_table.name_of(each.pid)} (pid {each.pid})" for each in left[:NAMED_MAX]]
        more = f" and {len(left) - NAMED_MAX} more" if len(left) > NAMED_MAX else ""
        place = ""
        if self._scope is not None:
            place = f" in {self._scope.unit}"
            self._scope.lift_limit()
        return f"left running{place}: {', '.join(names)}{more}"

    def _has_children(self) -> bool:
        """Say whether a process of the job lives; those that have ended are buried."""
        self._note_signals()
        try:
            os.waitid(os.P_ALL, 0, os.WEXITED | os.WNOHANG | os.WNOWAIT)
        except ChildProcessError:
            return False
        return True

    def _result(self, report: WorkerReport) -> WorkerResult:
        self._drain()
        return WorkerResult(
            outcome=report.outcome,
            retcode=report.retcode,
            error=report.error,
            body=report.body,
            body_bytes=report.body_bytes,
            body_digest=report.body_digest,
            is_cut=report.is_cut,
            started_wall_s=self._started_wall_s,
            duration_s=time.monotonic() - self._started_s,
        )

    def _ended_by_force(self, outcome: Outcome, error: str) -> WorkerResult:
        """Give a result whose body is how far a run of states came, else the output there was."""
        duration_s = time.monotonic() - self._started_s
        self._capture.close()
        report = supervisor_report.forced(self._job, self._setup, self._spool, outcome, error)
        return msgspec.structs.replace(self._result(report), duration_s=duration_s)

    def _drain(self) -> None:
        """Take in what is in the pipe, but never wait: others may hold it open."""
        budget = DRAIN_BYTES_MAX
        while budget > 0 and self._output >= 0 and self._read_output():
            budget -= READ_BYTES


def _read_report(descriptor: int) -> WorkerReport | None:
    """Give what the worker reported; None if it did not, or was cut off while it did."""
    try:
        data = os.read(descriptor, REPORT_BYTES_MAX + 1)
        return msgspec.msgpack.decode(data, type=WorkerReport)
    except (BlockingIOError, msgspec.DecodeError):
        return None


def _ended_by(status: int) -> int:
    """Give the signal of a wait status; 0: it exited."""
    return os.WTERMSIG(status) if os.WIFSIGNALED(status) else 0
