"""All minions of a fleet at a master's port in one instant, in virtual time.

The links are the production machines; the port is a model of what the kernel and libzmq do: a
backlog with so much room, and one handshake after the other, at the pace of one core. Who has given
up meanwhile still has to be taken up and found out about.
"""

import heapq
import itertools
import random
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final

from limpet.common.clock import Instant, Moment
from limpet.common.identifiers import Attempt, JournalId, MinionId
from limpet.common.transport.events import LinkEvent
from limpet.minion.core.effects import CloseSocket, Effect, OpenSocket
from limpet.minion.core.machine import MinionCore
from limpet.minion.core.settings import LinkSettings
from limpet.minion.journal.records import JournalState
from limpet.states.functions.instant import INSTANT

SYN_AGAIN_S: Final = (1.0, 3.0, 7.0)
"""When the kernel asks again for a connection that was not answered."""
DEAD_COSTS: Final = 0.2
"""What a connection costs whose other end has gone, against a handshake."""


@dataclass
class Came:
    """What the master was offered."""

    connections: int = 0
    """TCP connections that stood."""
    handshakes: int = 0
    denied: int = 0
    """Handshakes at the main port of minions that are not known there yet."""
    inside: int = 0
    ended_s: float = 0.0
    """When the last one was inside."""
    _known: set[int] = field(default_factory=set)


class Herd:
    """A fleet and one port."""

    def __init__(
        self,
        number: int,
        *,
        fleet: int,
        backlog: int,
        handshakes_a_second: float,
        seed: int = 1,
        has_tokens: bool = True,
    ) -> None:
        """`fleet`: how large the minions believe their fleet to be; 0: they are new."""
        self._has_tokens = has_tokens
        self.came = Came()
        self._number = number
        self._backlog = backlog
        self._each_s = 1.0 / handshakes_a_second
        self._time = 1000.0
        self._events: list[tuple[float, int, Callable[[], None]]] = []
        self._serial = itertools.count()
        self._queue: deque[tuple[int, Attempt]] = deque()
        self._are_new = fleet == 0
        self._wrong: deque[tuple[int, Attempt]] = deque()
        """New ones at the main port, whose backlog is never full of them."""
        self._is_serving = False
        self._open: dict[int, Attempt] = {}
        self._alarms: dict[int, float] = {}
        self._links = [
            self._make(index, fleet, random.Random(seed + index)) for index in range(number)
        ]

    def _make(self, index: int, fleet: int, chance: random.Random) -> MinionCore:
        notes = {"is_accepted": "1", "fleet": str(fleet)} if fleet else {}
        return MinionCore(
            LinkSettings(
                MinionId(f"web{index}"),
                "10.0.0.1",
                "aa" * 32,
                join_token_id="tok" if self._has_tokens and not fleet else "",
            ),
            JournalState(journal_id=JournalId("c" * 32), notes=notes),
            now=self._now(),
            boot_id="b" * 32,
            chance=chance,
            instant=INSTANT,
        )

    def run(self, within_s: float) -> Came:
        """Let all begin now; gives what came of it after so many seconds, or when all are in."""
        end = self._time + within_s
        for index, link in enumerate(self._links):
            self._take(index, link.start(self._now()))
        while self._events and self.came.inside < self._number:
            at, _, act = heapq.heappop(self._events)
            if at > end:
                break
            self._time = max(self._time, at)
            act()
        self.came.ended_s = self._time - 1000.0
        return self.came

    def _now(self) -> Moment:
        return Moment(Instant(self._time), 1_700_000_000.0 + self._time)

    def _later(self, delay_s: float, act: Callable[[], None]) -> None:
        heapq.heappush(self._events, (self._time + delay_s, next(self._serial), act))

    # -- minions ------------------------------------------------------------------------------

    def _take(self, index: int, effects: list[Effect]) -> None:
        for effect in effects:
            if isinstance(effect, CloseSocket):
                self._open.pop(index, None)
            elif isinstance(effect, OpenSocket):
                attempt = self._open[index] = effect.attempt
                if self._are_new and effect.port == "main":
                    self._stand(self._wrong, index, attempt)
                else:
                    self._ask(index, attempt, 0)
        due = self._links[index].next_deadline
        if due != self._alarms.get(index):
            self._alarms[index] = due
            self._later(max(0.0, due - self._time), lambda: self._on_alarm(index, due))

    def _on_alarm(self, index: int, due: float) -> None:
        if self._alarms.get(index) == due and index not in self.came._known:
            del self._alarms[index]
            self._take(index, self._links[index].on_deadline(self._now()))

    def _tell(self, index: int, attempt: Attempt, what: LinkEvent) -> None:
        self._take(index, self._links[index].on_link(self._now(), attempt, what))

    # -- the port -----------------------------------------------------------------------------

    def _ask(self, index: int, attempt: Attempt, again: int) -> None:
        """Let the kernel ask for a connection: it stands if the backlog has room."""
        if self._open.get(index) != attempt:
            return
        if len(self._queue) < self._backlog:
            self._stand(self._queue, index, attempt)
        elif again < len(SYN_AGAIN_S):
            before_s = SYN_AGAIN_S[again - 1] if again else 0.0
            self._later(SYN_AGAIN_S[again] - before_s, lambda: self._ask(index, attempt, again + 1))

    def _stand(self, queue: deque[tuple[int, Attempt]], index: int, attempt: Attempt) -> None:
        self.came.connections += 1
        queue.append((index, attempt))
        self._tell(index, attempt, "connected")
        if not self._is_serving:
            self._is_serving = True
            self._later(0.0, self._serve)

    def _serve(self) -> None:
        """Take up the first connection that waits."""
        queue = self._wrong or self._queue
        if not queue:
            self._is_serving = False
            return
        index, attempt = queue.popleft()
        if self._open.get(index) != attempt:
            self._later(DEAD_COSTS * self._each_s, self._serve)
            return
        self.came.handshakes += 1
        if queue is self._wrong:
            self.came.denied += 1
            self._tell(index, attempt, "denied")
            self._later(self._each_s, self._serve)
            return
        self.came.inside += 1
        self.came._known.add(index)
        self._tell(index, attempt, "ready")
        self._later(self._each_s, self._serve)
