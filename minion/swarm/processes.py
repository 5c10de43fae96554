"""The processes of a swarm, as the command sees them: started, heard, told to end, reaped.

None is waited for without a limit. One that dies is told of, and its minions are gone; the others
go on.
"""

import os
import selectors
import signal
import subprocess
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Final

import msgspec

from limpet.common.clock import FOREVER, Clock, Instant
from limpet.common.errors import HostError, PeerError
from limpet.minion.swarm.figures import GAUGES, Figures, merged
from limpet.minion.swarm.plan import (
    Farewell,
    Frames,
    Member,
    Order,
    command,
    frame_of,
    report_decoder,
)

READ_BYTES: Final = 1 << 18
ENDING_S: Final = 10.0
"""How long all of them may take to end; then they are killed."""
ORDER_S: Final = 30.0
"""How long a process may take to read its order."""


@dataclass
class Process:
    """One process."""

    number: int
    minions: int
    popen: subprocess.Popen[bytes]
    frames: Frames = field(default_factory=Frames)
    order: memoryview = field(default_factory=lambda: memoryview(b""))
    """What of its order it has not read yet."""
    order_until: Instant = FOREVER
    figures: Figures = field(default_factory=Figures)
    members: list[Member] | None = None
    """What it said at its end."""
    has_order: bool = False
    is_told_to_end: bool = False
    is_over: bool = False
    problem: str = ""

    @property
    def pid(self) -> int:
        """Give its process id."""
        return self.popen.pid


class Processes:
    """All processes of one swarm."""

    def __init__(self, orders: Sequence[Order], clock: Clock) -> None:
        """Start one process for each order. Raises `HostError`, with none left running."""
        self._clock = clock
        self._selector = selectors.DefaultSelector()
        self._all: list[Process] = []
        self._told = 0
        try:
            for number, order in enumerate(orders, 1):
                self._start(number, order)
        except OSError as error:
            self.close()
            raise HostError(f"cannot start a process of the swarm: {error.strerror}") from error

    @property
    def running(self) -> int:
        """Say how many have not ended."""
        return sum(not each.is_over for each in self._all)

    @property
    def problems(self) -> list[str]:
        """Say what went wrong with those that died."""
        return [each.problem for each in self._all if each.problem]

    @property
    def members(self) -> list[Member]:
        """Give what those that ended in an orderly way know of their minions."""
        return [member for each in self._all for member in each.members or ()]

    @property
    def pids(self) -> list[int]:
        """Name those that run."""
        return [each.pid for each in self._all if not each.is_over]

    def figures(self) -> Figures:
        """Give the figures of all."""
        return merged(each.figures for each in self._all)

    def wait(self, within_s: float, more: int | None = None) -> list[str]:
        """Hear what they say, waiting at most so long; gives news for people.

        `more`: another descriptor that ends the wait.
        """
        if more is not None:
            self._selector.register(more, selectors.EVENT_READ, None)
        try:
            ready = self._selector.select(max(0.0, within_s))
        finally:
            if more is not None:
                self._selector.unregister(more)
        for key, events in ready:
            process: Process | None = key.data
            if process is None:
                continue
            if events & selectors.EVENT_WRITE:
                self._write(process)
            if events & selectors.EVENT_READ:
                self._read(process)
        now = self._clock.now().boot
        for process in self._all:
            if process.order and now > process.order_until:
                self._fail(process, f"did not read its order within {ORDER_S:g} s")
        problems = self.problems
        news, self._told = problems[self._told :], len(problems)
        return news

    def end(self) -> list[str]:
        """Tell all to end and wait until they have, at most `ENDING_S`; gives news."""
        for process in self._all:
            process.is_told_to_end = True
            self._close_stdin(process)
        limit = self._clock.now().after(ENDING_S)
        news: list[str] = []
        while self.running and (left_s := limit - self._clock.now().boot) > 0:
            news += self.wait(min(left_s, 0.2))
        for process in self._all:
            if not process.is_over:
                self._fail(process, f"did not end within {ENDING_S:g} s and was killed")
        return news + self.wait(0.0)

    def close(self) -> None:
        """Kill what still runs, and reap it."""
        for process in self._all:
            if not process.is_over:
                self._reap(process)
        self._selector.close()

    # --- inside -------------------------------------------------------------------------------

    def _start(self, number: int, order: Order) -> None:
        popen = subprocess.Popen(
            command(),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # Ctrl-C on a terminal is heard by the command alone. Not sessions of their own: to the
            # scheduler (autogroup) each would weigh as much as the whole master beside it.
            process_group=0,
        )
        process = Process(number, len(order.members), popen)
        process.figures.minions = len(order.members)
        process.order = memoryview(frame_of(order))
        process.order_until = self._clock.now().after(ORDER_S)
        self._all.append(process)
        assert popen.stdin is not None
        assert popen.stdout is not None
        os.set_blocking(popen.stdin.fileno(), False)
        self._selector.register(popen.stdin.fileno(), selectors.EVENT_WRITE, process)
        self._selector.register(popen.stdout.fileno(), selectors.EVENT_READ, process)

    def _write(self, process: Process) -> None:
        assert process.popen.stdin is not None
        fd = process.popen.stdin.fileno()
        try:
            process.order = process.order[os.write(fd, process.order) :]
        except BlockingIOError:
            return
        except BrokenPipeError:
            process.order = memoryview(b"")  # it died, which its other pipe tells
        if not process.order:
            process.has_order = True
            self._selector.unregister(fd)

    def _read(self, process: Process) -> None:
        assert process.popen.stdout is not None
        data = os.read(process.popen.stdout.fileno(), READ_BYTES)
        try:
            for body in process.frames.feed(data):
                report = report_decoder.decode(body)
                process.figures = report.figures
                if isinstance(report, Farewell):
                    process.members = report.members
        except (PeerError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self._fail(process, f"said something that makes no sense: {error}")
            return
        if not data:
            self._on_gone(process)

    def _on_gone(self, process: Process) -> None:
        """Its output has ended: so has the process, or it is about to."""
        code = self._reap(process, within_s=2.0)
        if process.members is not None or (process.is_told_to_end and not process.has_order):
            return
        how = f"was ended by {_signal_name(-code)}" if code < 0 else f"ended with code {code}"
        self._fail(process, how)

    def _fail(self, process: Process, what: str) -> None:
        if not process.is_over:
            self._reap(process)
        for name in GAUGES[1:]:
            setattr(process.figures, name, 0)
        process.problem = (
            f"process {process.number} of the swarm (pid {process.pid}, "
            f"{process.minions} minions) {what}"
        )

    def _reap(self, process: Process, *, within_s: float = 0.0) -> int:
        """See to it that it is gone; gives its exit code."""
        self._close_stdin(process)
        stdout = process.popen.stdout
        assert stdout is not None
        if not stdout.closed:
            self._selector.unregister(stdout.fileno())
            stdout.close()
        with suppress(subprocess.TimeoutExpired):
            process.popen.wait(within_s)
        process.popen.kill()  # does nothing where it has ended
        process.is_over = True
        return process.popen.wait()

    def _close_stdin(self, process: Process) -> None:
        stdin = process.popen.stdin
        assert stdin is not None
        process.order = memoryview(b"")
        if not stdin.closed:
            with suppress(KeyError):  # the order was read: it is not waited for any more
                self._selector.unregister(stdin.fileno())
            with suppress(BrokenPipeError):
                stdin.close()


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"
