"""Real jobs for tests: a link without a master, which spawns, releases, dies and comes back."""

# ruff: noqa: ANN401 - arguments of jobs are anything

import contextlib
import os
import select
import signal
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import msgspec

from limpet.common.clock import SystemClock
from limpet.common.identifiers import JobId
from limpet.minion.core.effects import SpawnJob
from limpet.minion.jobs.events import Ended, OutputRead, Spawned, SpawnFailed, WorkerEvent
from limpet.minion.jobs.results import WorkerResult
from limpet.minion.workers import process_table
from limpet.minion.workers.fork_server_messages import WorkerSetup
from limpet.minion.workers.job_processes import JobProcesses
from support.minion.journal_records import jid

PROGRAM = ("-I", str(Path(__file__).with_name("nasty_fork_server.py")))
CLOCK = SystemClock()


def setup_for(root: Path, **changes: Any) -> WorkerSetup:
    """Give a set-up whose files are all below `root`."""
    values: dict[str, Any] = {
        "minion_id": "web1",
        "spool": str(root / "spool"),
        "local_socket": str(root / "minion.sock"),
        "configuration_file": str(root / "minion.yaml"),
        "grains_file": str(root / "grains"),
        "state_directory": str(root / "state"),
        "terminate_s": 1.0,
    }
    return WorkerSetup(**(values | changes))


class HostedJobs:
    """The link's side of some jobs; use it in a `with`."""

    def __init__(self, root: Path, **changes: Any) -> None:
        self.root = root
        self.setup = setup_for(root, **changes)
        self.workers = JobProcesses(Path(self.setup.spool), self.setup, PROGRAM)
        self.events: list[WorkerEvent] = []
        self.spawned: dict[str, Spawned] = {}
        self._is_closed = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Let go, then see to it that nothing of the jobs is left on this machine."""
        if self._is_closed:
            return
        self._is_closed = True
        fork_server = self.workers.fork_server_pid
        self.workers.close()
        for spawned in self.spawned.values():
            with contextlib.suppress(ProcessLookupError):
                if process_table.start_time(spawned.pid) == spawned.process_start:
                    os.kill(spawned.pid, signal.SIGUSR2)
        wait_until(lambda: all(not is_alive(each.pid) for each in self.spawned.values()), 15)
        if fork_server:
            with contextlib.suppress(ChildProcessError):
                os.waitpid(fork_server, 0)

    def turn(self, wait_s: float = 0.05) -> list[WorkerEvent]:
        """One turn of a poll loop; release nothing."""
        poll = select.poll()
        for descriptor in self.workers.filenos():
            poll.register(descriptor, select.POLLIN)
        for descriptor in self.workers.wants_write():
            poll.register(descriptor, select.POLLIN | select.POLLOUT)
        poll.poll(wait_s * 1000)
        events = self.workers.collect(CLOCK.now())
        self.events += events
        for event in events:
            if isinstance(event, Spawned):
                self.spawned[event.jid] = event
        return events

    def hold(
        self,
        number: int,
        function: str,
        *positional: Any,
        timeout_s: float = 0.0,
        is_streamed: bool = False,
        return_bytes_max: int = 10_000_000,
    ) -> Spawned:
        """Spawn a job and wait until it is held."""
        self.spawn(
            number,
            function,
            *positional,
            timeout_s=timeout_s,
            is_streamed=is_streamed,
            return_bytes_max=return_bytes_max,
        )
        for event in self.until(Spawned, SpawnFailed):
            assert isinstance(event, Spawned), event
            if event.jid == jid(number):
                return event
        raise AssertionError("unreachable")

    def spawn(
        self,
        number: int,
        function: str,
        *positional: Any,
        timeout_s: float = 0.0,
        is_streamed: bool = False,
        return_bytes_max: int = 10_000_000,
    ) -> None:
        """Ask for a job."""
        arguments = msgspec.msgpack.encode([list(positional), {}])
        job = SpawnJob(
            JobId(jid(number)),
            function,
            arguments,
            timeout_s,
            is_streamed,
            "root",
            return_bytes_max,
        )
        self.workers.spawn(CLOCK.now(), job)

    def start(self, number: int, function: str, *positional: Any, **options: Any) -> Spawned:
        """Spawn a job and release it."""
        spawned = self.hold(number, function, *positional, **options)
        self.workers.release(CLOCK.now(), JobId(jid(number)))
        return spawned

    def run(self, number: int, function: str, *positional: Any, **options: Any) -> WorkerResult:
        """Run a job to its end."""
        self.start(number, function, *positional, **options)
        return self.result(number)

    def result(self, number: int, wait_s: float = 30.0) -> WorkerResult:
        """Wait for the end of a job."""
        for event in self.until(Ended, wait_s=wait_s):
            if isinstance(event, Ended) and event.jid == jid(number):
                return event.result
        raise AssertionError("unreachable")

    def until(self, *kinds: type[WorkerEvent], wait_s: float = 30.0) -> Iterator[WorkerEvent]:
        """Turn the loop and give events of these kinds as they come."""
        end = time.monotonic() + wait_s
        while time.monotonic() < end:
            for event in self.turn():
                if isinstance(event, kinds):
                    yield event
        raise AssertionError(f"no {kinds} in {wait_s} s; so far {self.events}")

    def cancel(self, number: int, reason: Any = "cancelled") -> None:
        """End a job."""
        self.workers.kill(CLOCK.now(), JobId(jid(number)), reason)

    def output(self, number: int) -> bytes:
        """Give all live output that came so far."""
        pieces = [event for event in self.events if isinstance(event, OutputRead)]
        return b"".join(piece.data for piece in pieces if piece.jid == jid(number))


def value_of(result: WorkerResult, root: Path, number: int) -> Any:
    """Give the returned value, wherever its body is."""
    body = result.body
    if result.is_in_spool:
        body = (root / "spool" / f"{jid(number)}.body").read_bytes()
        assert len(body) == result.body_bytes
    return msgspec.msgpack.decode(body) if body else None


def is_alive(pid: int) -> bool:
    """Say whether a process runs; a zombie does not."""
    found = process_table.look(pid)
    return found is not None and not found.is_dead


def wait_until(holds: Callable[[], object], wait_s: float = 10.0) -> float:
    """Wait until a condition holds; give the seconds it took."""
    begun = time.monotonic()
    while not holds():
        assert time.monotonic() - begun < wait_s, "it never came true"
        time.sleep(0.01)
    return time.monotonic() - begun


def pids_in(marks: Path) -> list[int]:
    """Give the pids that jobs wrote into files of a directory."""
    return [int(path.read_text()) for path in sorted(marks.iterdir()) if path.read_text().strip()]
