"""`python -I -m limpet.minion.swarm.worker`: one process of a swarm, all its minions in one loop.

What it is to do comes on standard input, which stays open: its end means "come to an end". Reports
go to standard output (`plan.py`). It ends by itself, too, when nobody reads those any more.
"""

import os
import random
import select
import signal
import sys
import time
import uuid
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from limpet.common.clock import FOREVER, Clock, Instant, SystemClock
from limpet.common.errors import LimpetError, UsageError
from limpet.common.identifiers import Attempt
from limpet.common.service import garbage
from limpet.common.transport.sockets import Context, check_library
from limpet.minion.process.resolver import Resolver
from limpet.minion.swarm.descriptors import SOCKETS_EACH, raise_descriptor_limit
from limpet.minion.swarm.figures import Figures, copied
from limpet.minion.swarm.minions.minion import SwarmMinion
from limpet.minion.swarm.minions.proving import Prover
from limpet.minion.swarm.minions.shared import SharedWorld
from limpet.minion.swarm.minions.timers import Timers
from limpet.minion.swarm.plan import (
    PROGRESS_S,
    Farewell,
    Frames,
    Order,
    Progress,
    frame_of,
    order_decoder,
)
from limpet.minion.swarm.watch import Watcher

TURN_S_MAX: Final = 1.0
DUE_MAX: Final = 256
"""Minions whose time has come, in one turn."""
STARTS_MAX: Final = 64
"""Minions that begin in one turn."""
FAREWELL_S: Final = 8.0
"""How long the last report may take to be read."""
ORDER_S: Final = 60.0


class Loop:
    """All minions of this process."""

    def __init__(self, order: Order, clock: Clock) -> None:
        self._clock = clock
        self._watcher = Watcher()
        self._context = Context(sockets_max=SOCKETS_EACH * len(order.members) + 16)
        self._resolver = Resolver()
        self._watcher.add_descriptor(self._resolver.fileno())
        self._nameless: list[tuple[int, Attempt]] = []
        """Minions that wait for the master's name; the same look-up serves them all."""
        self._asked = Attempt(0)
        self._order = order
        self.figures = Figures(minions=len(order.members))
        shared = SharedWorld(
            order=order,
            context=self._context,
            clock=clock,
            chance=random.SystemRandom(),
            boot_id=uuid.uuid4().hex,
            figures=self.figures,
            wants_name=self._want_name,
            wants_look=lambda index: self._unread.append(index),
            prover=Prover(order.join_secret),
        )
        self._minions = [
            SwarmMinion(index, member, shared, self._watcher.watch_of(index))
            for index, member in enumerate(order.members)
        ]
        self._timers = Timers(len(self._minions))
        self._unread: deque[int] = deque()
        """Minions that may have something which no descriptor tells of."""
        self._began = clock.now().boot
        known = [i for i, member in enumerate(order.members) if member.is_accepted]
        new = [i for i, member in enumerate(order.members) if not member.is_accepted]
        self._known = deque(known)
        self._new = deque(new)
        self._new_begun = 0

    def watch_descriptor(self, fd: int) -> None:
        """Wake up for another descriptor, too."""
        self._watcher.add_descriptor(fd)

    def turn(self, until: Instant) -> set[int]:
        """Wait, at most until then, and do one turn's work; gives the descriptors that woke it."""
        first = min(until, self._timers.next_deadline, self._next_start())
        pause = 0.0 if self._unread else first - self._clock.now().boot
        due, others = self._watcher.wait(min(pause, TURN_S_MAX))
        woken = self._clock.now().boot
        touched: dict[int, None] = {}
        for index in self._taken():
            self._minions[index].on_word()
            self._read(index)
            touched[index] = None
        for index, is_word in due:
            if not is_word or self._minions[index].on_word():
                self._read(index)
            touched[index] = None
        if self._resolver.fileno() in others:
            touched.update(dict.fromkeys(self._on_names()))
        for index in self._timers.due(self._clock.now().boot, DUE_MAX):
            if self._minions[index].on_due():
                self._unread.append(index)
            touched[index] = None
        touched.update(dict.fromkeys(self._start_some()))
        now = self._clock.now()
        for index in touched:
            self._timers.wake(index, self._minions[index].next_deadline(now))
        if self.figures.ready == len(self._minions) and not self.figures.all_ready_at:
            self.figures.all_ready_at = now.boot
        self.figures.turn_s.add(self._clock.now().boot - woken)
        return others

    def measure(self) -> None:
        """Note what the process itself costs."""
        self.figures.cpu_s = time.process_time()
        self.figures.rss_bytes = resident_bytes()

    def stop(self) -> None:
        """Close all links."""
        for minion in self._minions:
            minion.stop()

    def farewell(self, figures: Figures) -> Farewell:
        """Give the last report, with the figures as they were before the end."""
        return Farewell(figures, [minion.kept() for minion in self._minions])

    def close(self) -> None:
        """Let go of everything."""
        self._watcher.close()
        self._resolver.close()
        self._context.close()

    # --- inside -------------------------------------------------------------------------------

    def _read(self, index: int) -> None:
        if self._minions[index].on_frames():
            self._unread.append(index)

    def _taken(self) -> Iterator[int]:
        """Give those that were left unread in earlier turns, each once."""
        unread, self._unread = self._unread, deque()
        return iter(dict.fromkeys(unread))

    def _next_start(self) -> Instant:
        if self._known:
            return Instant(0.0)
        if not self._new:
            return FOREVER
        return Instant(self._began + self._new_begun / self._order.joins_a_second)

    def _start_some(self) -> Iterator[int]:
        """Begin with those whose turn it is: known ones at once, new ones at their rate."""
        for _ in range(STARTS_MAX):
            now = self._clock.now()
            if self._next_start() > now.boot:
                return
            if self._known:
                index = self._known.popleft()
            else:
                index = self._new.popleft()
                self._new_begun += 1
            if not self.figures.started:
                self.figures.began_at = now.boot
            self.figures.started += 1
            self._minions[index].start(now)
            yield index

    def _want_name(self, index: int, attempt: Attempt) -> None:
        if not self._nameless:
            self._asked = Attempt(self._asked + 1)
            self._resolver.ask(self._asked, self._order.host)
        self._nameless.append((index, attempt))

    def _on_names(self) -> Iterator[int]:
        for asked, addresses in self._resolver.collect():
            if asked != self._asked:
                continue
            waiting, self._nameless = self._nameless, []
            for index, attempt in waiting:
                self._minions[index].on_resolved(attempt, addresses)
                yield index


class Reports:
    """Frames on their way to the command; never waits for it, until the end."""

    def __init__(self, fd: int) -> None:
        self._fd = fd
        self._waiting = memoryview(b"")
        os.set_blocking(fd, False)

    def tell(self, figures: Figures) -> None:
        """Send a report, unless the one before is still on its way. Raises `BrokenPipeError`."""
        if not self._waiting:
            self._waiting = memoryview(frame_of(Progress(figures)))
        self._flush()

    def end(self, farewell: Farewell, clock: Clock) -> bool:
        """Send the last one; False: nobody has read it in time."""
        rest = bytes(self._waiting) + frame_of(farewell)
        self._waiting = memoryview(rest)
        limit = clock.now().after(FAREWELL_S)
        poll = select.poll()
        poll.register(self._fd, select.POLLOUT)
        while self._waiting:
            left_s = limit - clock.now().boot
            if left_s <= 0:
                return False
            poll.poll(left_s * 1000)
            self._flush()
        return True

    def _flush(self) -> None:
        while self._waiting:
            try:
                written = os.write(self._fd, self._waiting)
            except BlockingIOError:
                return
            self._waiting = self._waiting[written:]


def resident_bytes() -> int:
    """Give the memory of this process; 0: the kernel does not tell."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
    except OSError:
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def read_order(fd: int, clock: Clock) -> Order:
    """Wait for the order. Raises `UsageError` where none comes."""
    limit = clock.now().after(ORDER_S)
    frames = Frames()
    poll = select.poll()
    poll.register(fd, select.POLLIN)
    while (left_s := limit - clock.now().boot) > 0:
        if not poll.poll(left_s * 1000):
            break
        data = os.read(fd, 1 << 20)
        if not data:
            break
        for body in frames.feed(data):
            return order_decoder.decode(body)
    raise UsageError("a process of a swarm is started by `limpet swarm` alone")


def run(order: Order, reader: int, writer: int, clock: Clock) -> int:
    """Run until standard input ends; gives the exit code."""
    raise_descriptor_limit(len(order.members))
    loop = Loop(order, clock)
    garbage.settle()
    reports = Reports(writer)
    loop.watch_descriptor(reader)
    next_report = clock.now().boot
    try:
        while reader not in loop.turn(next_report):
            now = clock.now().boot
            if now >= next_report:
                loop.measure()
                reports.tell(loop.figures)
                missed = int((now - next_report) / PROGRESS_S)
                next_report = Instant(next_report + (missed + 1) * PROGRESS_S)
        return _end(loop, reports, clock)
    except BrokenPipeError:
        return 1  # the command is gone
    finally:
        loop.close()


def _end(loop: Loop, reports: Reports, clock: Clock) -> int:
    loop.measure()
    figures = copied(loop.figures)  # as they are before the links are closed
    loop.stop()
    return 0 if reports.end(loop.farewell(figures), clock) else 1


def main() -> int:
    """Do as the order on standard input says."""
    # Ctrl-C on a terminal is the command's business: it ends its processes in an orderly way.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    clock = SystemClock()
    try:
        check_library()
        return run(read_order(0, clock), 0, 1, clock)
    except LimpetError as error:
        sys.stderr.write(f"limpet: {error}\n")
        return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main())
