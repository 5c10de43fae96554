"""The file server's decisions: whose question is read when, and who is told what.

    Ask, Pull --> waiting (in turn by minion) --> ReadSource --> on_done --> Offer, Piece
    one question for each file is read at a time: the next one finds its digest known
    listings: all who wait when a walk begins have its result; who asks later, that of the next one

Nothing is read here. Over the bounds the answer is `busy`, and the minion asks again. An answer
goes out only in the session in which it was asked.
"""

from collections import deque
from dataclasses import dataclass
from typing import Final

import msgspec

from limpet.common.clock import Instant, to_micros
from limpet.common.identifiers import MinionKey
from limpet.common.messages.sources import (
    BUSY,
    CHANGED,
    CLOCK,
    GONE,
    SOURCE_INLINE_BYTES_MAX,
    Ask,
    Offer,
    Piece,
    Pull,
    refused_offer,
    refused_piece,
)
from limpet.master.effects import ReadSource
from limpet.master.sessions.minion import Minion, Session
from limpet.master.sources.limits import SourceLimits
from limpet.master.sources.shelf import Shelf
from limpet.master.sources.turns import Turns
from limpet.master.sources.work import (
    Found,
    Listed,
    LookUp,
    NameEnvironments,
    PieceRead,
    ReadPiece,
    Result,
    WalkTree,
    Work,
)
from limpet.master.turn import Turn

OF_ONE_AT_ONCE: Final = 2
"""Questions of one minion that are read at the same time."""


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
    is_walk: bool


class SourceDesk:
    """Answers all but pillar."""

    def __init__(self, limits: SourceLimits) -> None:
        assert limits.at_once >= 1
        self._limits = limits
        self._shelf = Shelf(bytes_max=limits.shelf_bytes_max, keep_s=limits.shelf_s)
        self._turns: Turns[_Asked] = Turns(OF_ONE_AT_ONCE)
        self._open: dict[MinionKey, set[tuple[int, int]]] = {}
        """All that is not answered."""
        self._open_count = 0
        self._tickets = 0
        self._reading: dict[int, _Reading] = {}
        self._followers: dict[str, deque[_Asked]] = {}
        """Files that are read now, and who comes next at each."""
        self._walkers: dict[str, list[_Asked]] = {}
        """Who waits for a walk that has not begun, by environment."""
        self._is_walking = False

    @property
    def next_deadline(self) -> Instant:
        """Give when `on_deadline` has something to do; may be infinite."""
        return self._shelf.next_deadline

    @property
    def open_count(self) -> int:
        """Say how many questions wait or are read."""
        return self._open_count

    def on_deadline(self, turn: Turn) -> None:
        """Forget what nobody pulls any more."""
        self._shelf.forget(turn.now)

    def on_ask(self, turn: Turn, minion: Minion, session: Session, ask: Ask) -> None:
        """Have a question read when its turn comes."""
        if ask.arguments:  # they would lie in memory as long as it waits
            text = f"a question for a {ask.kind} has no arguments"
            turn.count("source_refused")
            turn.send(session.peer, minion.key, refused_offer(ask, text))
            return
        self._accept(turn, _Asked(minion, session, ask))

    def on_pull(self, turn: Turn, minion: Minion, session: Session, pull: Pull) -> None:
        """Answer from what is kept, or have the file read when its turn comes."""
        if pull.kind == "file":
            self._accept(turn, _Asked(minion, session, pull))
            return
        body = self._shelf.get(turn.now, _name(pull), pull.digest)
        turn.send(session.peer, minion.key, piece_of(pull, body))

    def on_done(self, turn: Turn, ticket: int, result: Result) -> None:
        """Answer those who waited for this work, and let the next ones begin."""
        reading = self._reading.pop(ticket)
        if isinstance(result, Listed) and result.body:
            self._shelf.put(turn.now, reading.name, result.digest, result.body)
        for asked in reading.waiting:
            self._close(asked)
            if asked.is_wanted:
                _answer(turn, asked, result)
        if reading.is_walk:
            self._is_walking = False
        else:
            self._turns.done(reading.waiting[0].minion.key)
            self._follow(turn, reading.name)
        self._begin_next(turn)

    # --- what waits ---------------------------------------------------------------------------

    def _accept(self, turn: Turn, asked: _Asked) -> None:
        """Let a question wait for its turn, unless it does already or too many do."""
        key, message = asked.minion.key, asked.message
        if asked.number in self._open.get(key, ()):
            return
        if self._is_full(key):
            turn.count("sources_busy")
            turn.send(asked.session.peer, key, _busy(message))
            return
        self._open.setdefault(key, set()).add(asked.number)
        self._open_count += 1
        if message.kind == "listing":
            self._walkers.setdefault(message.environment, []).append(asked)
        else:
            self._turns.add(key, asked)
        self._begin_next(turn)

    def _is_full(self, key: MinionKey) -> bool:
        if len(self._open.get(key, ())) >= self._limits.open_of_one_max:
            for asked in self._turns.drop(key, lambda asked: not asked.is_wanted):
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

    def _begin_next(self, turn: Turn) -> None:
        """Hand out work as long as somebody is free to do it."""
        while len(self._reading) < self._limits.at_once:
            if self._walkers and not self._is_walking:
                self._begin_walk(turn)
                continue
            taken = self._turns.take()
            if taken is None:
                return
            key, asked = taken
            if not asked.is_wanted:
                self._turns.done(key)
                self._close(asked)
                continue
            name = _name(asked.message)
            if name in self._followers:
                self._followers[name].append(asked)
            else:
                self._followers[name] = deque()
                self._hand_out(turn, _work(asked.message), _Reading([asked], name, is_walk=False))

    def _begin_walk(self, turn: Turn) -> None:
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
            name = _name(waiting[0].message)
            self._hand_out(turn, WalkTree(environment), _Reading(waiting, name, is_walk=True))

    def _follow(self, turn: Turn, name: str) -> None:
        """Let the next one at the same file begin: its turn had come already."""
        followers = self._followers[name]
        while followers:
            asked = followers.popleft()
            if asked.is_wanted:
                self._hand_out(turn, _work(asked.message), _Reading([asked], name, is_walk=False))
                return
            self._turns.done(asked.minion.key)
            self._close(asked)
        del self._followers[name]

    def _hand_out(self, turn: Turn, work: Work, reading: _Reading) -> None:
        self._tickets += 1
        self._reading[self._tickets] = reading
        turn.effects.append(ReadSource(self._tickets, work))


def piece_of(pull: Pull, body: bytes | None) -> Piece:
    """Answer a pull from a body in memory; None: it is not kept any more."""
    if body is None:
        return refused_piece(pull, GONE)
    data = body[pull.offset : pull.offset + pull.size_max]
    if not data:
        return refused_piece(pull, f"a piece at byte {pull.offset} of {len(body)} is asked for")
    return Piece(pull.session, pull.request, pull.offset, data, "")


def offer_of(ask: Ask, digest: str, body: bytes) -> Offer:
    """Answer a question with a body in memory: whole where it is small and not known, or named."""
    has_body = digest != ask.known and len(body) <= min(ask.body_max, SOURCE_INLINE_BYTES_MAX)
    inline = body if has_body else b""
    return Offer(ask.session, ask.request, True, digest, len(body), b"", inline, has_body, "")


def _busy(message: Ask | Pull) -> Offer | Piece:
    if isinstance(message, Ask):
        return refused_offer(message, BUSY)
    return refused_piece(message, BUSY)


def _name(message: Ask | Pull) -> str:
    """Give what no two questions are read of at the same time."""
    return f"{message.kind} {message.environment} {message.name if message.kind == 'file' else ''}"


def _work(message: Ask | Pull) -> Work:
    if isinstance(message, Pull):
        return ReadPiece(
            message.environment, message.name, message.digest, message.offset, message.size_max
        )
    if message.kind == "environments":
        return NameEnvironments()
    body_max = min(message.body_max, SOURCE_INLINE_BYTES_MAX)
    return LookUp(message.environment, message.name, message.known, body_max)


def _answer(turn: Turn, asked: _Asked, result: Result) -> None:
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
                clock = msgspec.msgpack.encode({CLOCK: to_micros(turn.now.wall)})
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
        turn.count("source_refused")
        turn.report("warning", f"source {minion}", f"{minion} is not served: {problem}")
    turn.send(asked.session.peer, asked.minion.key, answer)
