"""The file server's decisions: whose question is read when, and who is told what.

    Ask, Pull --> waiting (in turn by minion) --> ReadSource --> on_done --> Offer, Piece
    one question for each file is read at a time, until its digest is known: then as many as there
    is room for on the way to all minions together (`lanes.py`, `in_flight.py`)
    listings: all who wait when a walk begins have its result; who asks later, that of the next one,
    which begins after a pause: while a fleet asks, walks take a quarter of one core at most

Nothing is read here. Over the bounds the answer is `busy`, and the minion asks again. An answer
goes out only in the session in which it was asked.
"""

from collections import OrderedDict, deque
from dataclasses import dataclass
from typing import Final

import msgspec

from limpet.common.clock import FOREVER, Instant, to_micros
from limpet.common.identifiers import MinionKey
from limpet.common.messages.sources import (
    CHANGED,
    CLOCK,
    GONE,
    IN_LINE_PROTOCOL,
    Ask,
    Offer,
    Piece,
    Pull,
    in_line,
    refused_offer,
)
from limpet.master.core.effects import ReadSource
from limpet.master.core.step import Step
from limpet.master.files.answers import busy, name_of, offer_of, piece_of, size_max, work_of
from limpet.master.files.body_cache import BodyCache
from limpet.master.files.in_flight import InFlight
from limpet.master.files.lanes import SLOW_S, Lanes
from limpet.master.files.limits import SourceLimits
from limpet.master.files.reads import Found, Listed, PieceRead, Result, WalkTree, Work
from limpet.master.sessions.minion import Minion, Session

OF_ONE_AT_ONCE: Final = 2
"""Questions of one minion that are read at the same time."""
AHEAD: Final = 4
"""So many pieces of work for each thread are handed out where it is known that they are quick."""
WALK_PAUSE: Final = 3.0
"""The pause after a walk is so many times as long as it took …"""
WALK_PAUSE_S_MAX: Final = 3.0
"""… up to this."""
QUICK_MAX: Final = 1024
"""Files whose digest is remembered to be known."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question that is not answered yet."""

    minion: Minion
    session: Session
    message: Ask | Pull

    @property
    def number(self) -> tuple[int, int]:
        """Give what makes it the same question when it is asked again."""
        return (self.session.number, self.message.request)

    @property
    def is_wanted(self) -> bool:
        """Say whether its session is still the minion's present one."""
        return self.minion.session is self.session


@dataclass(slots=True)
class _Reading:
    """One piece of work under way, and who waits for it."""

    waiting: list[_Asked]
    name: str
    """Of the file, or of the listing."""
    is_walk: bool = False
    is_quick: bool = False
    """The file's digest is known, so others are read beside it."""


class FileRequests:
    """Answers all but pillar."""

    def __init__(self, limits: SourceLimits) -> None:
        assert limits.at_once >= 1
        self._limits = limits
        self._cache = BodyCache(bytes_max=limits.cache_bytes_max, keep_s=limits.cache_s)
        self._lanes: Lanes[_Asked, tuple[_Asked, Listed | None]] = Lanes(
            limits.flight_bytes_max, limits.flight_s, OF_ONE_AT_ONCE
        )
        """Answers that are ready and have no result are in the body cache."""
        self._open: dict[MinionKey, set[tuple[int, int]]] = {}
        """All that is not answered."""
        self._open_count = 0
        self._tickets = 0
        self._reading: dict[int, _Reading] = {}
        self._followers: dict[str, deque[_Asked]] = {}
        """Files that are read now, and who comes next at each."""
        self._walkers: OrderedDict[str, list[_Asked]] = OrderedDict()
        """Who waits for a walk that has not begun, by environment."""
        self._is_walking = False
        self._walk_began = Instant(0.0)
        self._next_walk = Instant(0.0)
        """The next one begins no earlier."""
        self._slow = 0
        """Work under way that may take long."""
        self._quick: OrderedDict[str, str] = OrderedDict()
        """Files whose digest was right when they were last read."""

    @property
    def next_deadline(self) -> Instant:
        """Give when `on_deadline` has something to do; may be infinite."""
        soonest = min(self._cache.next_deadline, self._lanes.next_room)
        if not self._has_hands:
            return soonest  # what is read ends by itself, and then all others are looked at
        is_walk_due = self._walkers and not self._is_walking
        walk = self._next_walk if is_walk_due else FOREVER
        return min(soonest, self._lanes.next_deadline, walk)

    @property
    def _has_hands(self) -> bool:
        at_once = self._limits.at_once
        return self._slow < at_once and len(self._reading) < at_once * AHEAD

    @property
    def open_count(self) -> int:
        """Say how many questions wait or are read."""
        return self._open_count

    def on_deadline(self, step: Step) -> None:
        """Forget what nobody pulls any more, and go on where there is room by now."""
        self._cache.forget(step.now)
        self._go_on(step)

    def on_ask(self, step: Step, minion: Minion, session: Session, ask: Ask) -> None:
        """Have a question read when its turn comes."""
        self._lanes.arrived(minion.key)
        if ask.arguments:  # they would lie in memory as long as it waits
            text = f"a question for a {ask.kind} has no arguments"
            step.count("source_refused")
            step.send(session.peer, minion.key, refused_offer(ask, text))
        else:
            self._accept(step, _Asked(minion, session, ask))
        self._go_on(step)

    def on_pull(self, step: Step, minion: Minion, session: Session, pull: Pull) -> None:
        """Answer from what is kept, or have the file read when its turn comes."""
        since = self._lanes.arrived(minion.key)
        took_long = since is None or step.now.boot - since > SLOW_S
        self._accept(step, _Asked(minion, session, pull), is_slow=pull.offset > 0 and took_long)
        self._go_on(step)

    def on_done(self, step: Step, ticket: int, result: Result) -> None:
        """Answer those who waited for this work, and let the next ones begin."""
        reading = self._reading.pop(ticket)
        self._slow -= not reading.is_quick
        if isinstance(result, Listed):
            if result.body:
                self._cache.put(step.now, reading.name, result.digest, result.body)
            for asked in reading.waiting:
                self._lanes.add_ready(asked.minion.key, (asked, result))
        else:
            (asked,) = reading.waiting
            self._learn(reading.name, asked.message, result)
            self._close(asked)
            self._lanes.arrived(asked.minion.key)
            if asked.is_wanted:
                self._say(step, self._lanes.flight_of(asked.minion.key), asked, result)
        if reading.is_walk:
            self._is_walking = False
            took_s = step.now.boot - self._walk_began
            self._next_walk = step.now.after(min(WALK_PAUSE * took_s, WALK_PAUSE_S_MAX))
        else:
            self._lanes.done(reading.waiting[0].minion.key)
            if not reading.is_quick:
                self._follow(step, reading.name)
        self._go_on(step)

    # --- what waits ---------------------------------------------------------------------------

    def _accept(self, step: Step, asked: _Asked, *, is_slow: bool = False) -> None:
        """Let a question wait for its turn, unless it does already or too many do."""
        key, message = asked.minion.key, asked.message
        if asked.number in self._open.get(key, ()):
            if isinstance(message, Ask) and asked.session.protocol >= IN_LINE_PROTOCOL:
                step.send(asked.session.peer, key, in_line(message, self._open_count))
            return
        if self._is_full(key):
            step.count("sources_busy")
            step.send(asked.session.peer, key, busy(message))
            return
        self._open.setdefault(key, set()).add(asked.number)
        self._open_count += 1
        if message.kind == "listing" and isinstance(message, Ask):
            self._walkers.setdefault(message.environment, []).append(asked)
        elif isinstance(message, Pull) and message.kind != "file":
            self._lanes.add_ready(key, (asked, None))
        else:
            self._lanes.add(key, asked, is_slow=is_slow)

    def _is_full(self, key: MinionKey) -> bool:
        if len(self._open.get(key, ())) >= self._limits.open_of_one_max:
            for asked in self._lanes.drop(key, lambda asked: not asked.is_wanted):
                self._close(asked)
        return (
            self._open_count >= self._limits.open_max
            or len(self._open.get(key, ())) >= self._limits.open_of_one_max
        )

    def _close(self, asked: _Asked) -> None:
        of_one = self._open[asked.minion.key]
        of_one.remove(asked.number)
        self._open_count -= 1
        if not of_one:
            del self._open[asked.minion.key]

    # --- what is read -------------------------------------------------------------------------

    def _go_on(self, step: Step) -> None:
        """Answer what is in memory and hand out work, as long as there is room and hands."""
        while (ready := self._lanes.take_ready(step.now)) is not None:
            flight, (asked, result) = ready
            self._close(asked)
            if asked.is_wanted:
                self._say(step, flight, asked, result)
        while self._has_hands:
            if self._walkers and not self._is_walking and step.now.boot >= self._next_walk:
                self._begin_walk(step)
            elif not self._begin_next(step):
                return

    def _begin_next(self, step: Step) -> bool:
        """Begin with whose turn it is; False: nobody waits, or there is no room."""
        taken = self._lanes.take(step.now)
        if taken is None:
            return False
        key, asked = taken
        if not asked.is_wanted:
            self._lanes.done(key)
            self._close(asked)
            return True
        self._lanes.send(step.now, key, size_max(asked.message))
        name = name_of(asked.message)
        if self._is_quick(name, asked.message):
            self._hand_out(step, work_of(asked.message), _Reading([asked], name, is_quick=True))
        elif name in self._followers:
            self._followers[name].append(asked)
        else:
            self._followers[name] = deque()
            self._hand_out(step, work_of(asked.message), _Reading([asked], name))
        return True

    def _begin_walk(self, step: Step) -> None:
        """Walk once for all who wait by now."""
        environment = next(iter(self._walkers))
        waiting: list[_Asked] = []
        for asked in self._walkers.pop(environment):
            if asked.is_wanted:
                waiting.append(asked)
            else:
                self._close(asked)
        if waiting:
            self._is_walking = True
            self._walk_began = step.now.boot
            name = name_of(waiting[0].message)
            self._hand_out(step, WalkTree(environment), _Reading(waiting, name, is_walk=True))

    def _follow(self, step: Step, name: str) -> None:
        """Let those at the same file begin: their turn had come already."""
        followers = self._followers[name]
        while followers:
            asked = followers.popleft()
            if asked.is_wanted:
                is_quick = self._is_quick(name, asked.message)
                reading = _Reading([asked], name, is_quick=is_quick)
                self._hand_out(step, work_of(asked.message), reading)
                if not is_quick:
                    return
            else:
                self._lanes.done(asked.minion.key)
                self._close(asked)
        del self._followers[name]

    def _is_quick(self, name: str, message: Ask | Pull) -> bool:
        """Say whether nothing but a piece, or a look, has to be read as far as is known."""
        if message.kind == "environments":
            return True
        digest = self._quick.get(name)
        return digest is not None and (isinstance(message, Ask) or message.digest == digest)

    def _learn(self, name: str, message: Ask | Pull, result: Found | PieceRead) -> None:
        digest = message.digest if isinstance(message, Pull) else ""
        if isinstance(result, Found):
            digest = result.digest
        self._quick.pop(name, None)
        if digest and not result.problem:
            self._quick[name] = digest
            if len(self._quick) > QUICK_MAX:
                self._quick.popitem(last=False)

    def _say(self, step: Step, flight: InFlight, asked: _Asked, result: Result | None) -> None:
        """Answer one question; without a result from what is kept."""
        message = asked.message
        if result is None:
            assert isinstance(message, Pull)
            body = self._cache.get(step.now, name_of(message), message.digest)
            answer: Offer | Piece = piece_of(message, body)
        else:
            answer = _answer(step, asked, result)
        size = len(answer.data) if isinstance(answer, Piece) else len(answer.body)
        if size:
            flight.add(step.now, asked.minion.key, size)
        step.send(asked.session.peer, asked.minion.key, answer)

    def _hand_out(self, step: Step, work: Work, reading: _Reading) -> None:
        self._tickets += 1
        self._reading[self._tickets] = reading
        self._slow += not reading.is_quick
        step.effects.append(ReadSource(self._tickets, work))


def _answer(step: Step, asked: _Asked, result: Result) -> Offer | Piece:
    """Make the answer; what can't be served is told to the log, too."""
    message = asked.message
    answer: Offer | Piece
    if isinstance(message, Pull):
        assert isinstance(result, PieceRead)
        answer = Piece(
            message.session, message.request, message.offset, result.data, result.problem[:4096]
        )
        problem = "" if result.problem in (CHANGED, GONE) else result.problem
    elif isinstance(result, Listed):
        problem = result.problem
        if problem or not result.is_found:
            answer = refused_offer(message, problem)
        else:
            answer = offer_of(message, result.digest, result.body)
            if message.kind == "environments":  # whoever asks on a host can compare its clock
                clock = msgspec.msgpack.encode({CLOCK: to_micros(step.now.wall)})
                answer = msgspec.structs.replace(answer, attributes=clock)
    else:
        assert isinstance(result, Found)
        problem = result.problem
        answer = Offer(
            message.session,
            message.request,
            result.is_found,
            result.digest,
            result.size,
            result.attributes,
            result.body or b"",
            result.body is not None,
            problem[:4096],
        )
    if problem:
        minion = asked.minion.minion
        step.count("source_refused")
        step.report("warning", f"source {minion}", f"{minion} is not served: {problem}")
    return answer
