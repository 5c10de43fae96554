"""The decisions about pillar: whose is rendered when, and who is told what.

    Ask ──▶ waiting (minions in turn) ──▶ Render ──▶ on_rendered ──▶ Offer; Pull ──▶ Piece
    `need`: the pillar of a minion is wanted for a target; in turn with what minions ask for

A minion is given its own pillar only: by the key of its connection, whatever its message says. Of
one minion one rendering is under way at a time. Questions in the same words that wait are answered
by one rendering; one that comes while that is under way is not, since files may have changed since
it began. Nothing is rendered here.
"""

from collections import Counter, OrderedDict
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from limpet.common.clock import Instant
from limpet.common.identifiers import MinionKey
from limpet.common.messages.sources import BUSY, IN_LINE_PROTOCOL, Ask, Pull, in_line, refused_offer
from limpet.master.core.effects import Render
from limpet.master.core.step import Step
from limpet.master.core.timers import Timers
from limpet.master.files.answers import offer_of, piece_of
from limpet.master.files.body_cache import BodyCache
from limpet.master.files.round_robin import RoundRobin
from limpet.master.pillar.cache import PillarCache
from limpet.master.pillar.limits import PillarLimits
from limpet.master.pillar.messages import AT_ONCE, Rendered
from limpet.master.sessions.minion import Minion, Session
from limpet.master.sessions.registry import Due

_ANSWER: Final[Due] = ("pillar", "", "")
ANSWERED_MAX: Final = 4096
"""Answers remembered, so that a question that is asked again is answered again."""


@dataclass(frozen=True, slots=True)
class _Asked:
    """One question that is not answered yet."""

    minion: Minion
    session: Session
    ask: Ask

    @property
    def number(self) -> tuple[MinionKey, int, int]:
        """Give what makes it the same question when it is asked again."""
        return (self.minion.key, self.session.number, self.ask.request)

    @property
    def is_wanted(self) -> bool:
        """Say whether its session is still the minion's present one."""
        return self.minion.session is self.session


@dataclass(slots=True)
class _Rendering:
    """One pillar that is wanted, and by whom."""

    minion: Minion
    arguments: bytes
    since: Instant
    """When it was last asked for."""
    asked: list[_Asked] = field(default_factory=list)
    is_forgotten: bool = False
    """The minion's key was shut out meanwhile: its pillar is of no more use, and is secret."""

    @property
    def is_wanted(self) -> bool:
        return any(each.is_wanted for each in self.asked)


class PillarRequests:
    """Answers questions for pillar, and knows the last pillar of each minion."""

    def __init__(
        self,
        limits: PillarLimits,
        timers: Timers[Due],
        grains_of: Callable[[MinionKey], bytes],
    ) -> None:
        """`grains_of` gives a minion's facts as it last told them, JSON."""
        assert limits.at_once >= 1
        self._limits = limits
        self._timers = timers
        self._grains_of = grains_of
        self._cache = BodyCache(bytes_max=limits.cache_bytes_max, keep_s=limits.cache_s)
        self._known = PillarCache(limits.known_bytes_max)
        self._turns: RoundRobin[_Rendering] = RoundRobin(1)
        self._waiting: dict[tuple[MinionKey, bytes], _Rendering] = {}
        """Those that have not begun, by what they are asked with."""
        self._waiting_bytes: Counter[MinionKey] = Counter()
        """What their arguments take, by minion."""
        self._waiting_bytes_of_all = 0
        self._needed: OrderedDict[MinionKey, Minion] = OrderedDict()
        """Minions whose pillar a target waits for, and nothing is under way."""
        self._is_targets_turn = False
        self._running: dict[int, _Rendering] = {}
        """Handed out, and not answered yet."""
        self._running_bytes = 0
        self._open: dict[MinionKey, set[tuple[MinionKey, int, int]]] = {}
        self._open_count = 0
        self._answered: OrderedDict[tuple[MinionKey, int, int], str] = OrderedDict()
        self._numbers = 0
        self.on_known: Callable[[Step, MinionKey, bool], None] = _nobody
        """Told of each minion whose usual pillar has been rendered anew, and whether it is good;
        also when a pillar that was needed could not be had, and of each key that is shut out."""

    @property
    def next_deadline(self) -> Instant:
        """Give when `on_deadline` has something to do; may be infinite."""
        return self._cache.next_deadline

    @property
    def figures(self) -> dict[str, float]:
        """Give gauges for the status."""
        return {
            "pillar_waiting": float(len(self._waiting) + len(self._needed)),
            "pillar_waiting_bytes": float(self._waiting_bytes_of_all),
            "pillar_rendering": float(len(self._running)),
            "pillar_known_bytes": float(self._known.held_bytes),
        }

    def pillar_of(self, minion: Minion) -> Mapping[Any, Any] | None:
        """Give a minion's last pillar; None: it is not known, or has errors."""
        return self._known.get(minion.key)

    # -- what minions ask ---------------------------------------------------------------------

    def on_ask(self, step: Step, minion: Minion, session: Session, ask: Ask) -> None:
        """Have the minion's pillar rendered when its turn comes."""
        words = (minion.key, ask.arguments)
        asked = _Asked(minion, session, msgspec.structs.replace(ask, arguments=b""))
        if asked.number in self._open.get(minion.key, ()):
            self._tell_in_line(step, asked, self._waiting.get(words))
            return
        if self._answer_again(step, asked):
            return
        if self._is_full(minion.key, 0 if words in self._waiting else len(ask.arguments)):
            step.count("pillar_busy")
            step.send(session.peer, minion.key, refused_offer(ask, BUSY))
            return
        self._open.setdefault(minion.key, set()).add(asked.number)
        self._open_count += 1
        rendering = self._waiting.get(words)
        if rendering is None:
            rendering = _Rendering(minion, ask.arguments, step.now.boot)
            self._waiting[words] = rendering
            self._count_waiting(minion.key, len(ask.arguments))
            self._turns.add(minion.key, rendering)
        rendering.asked.append(asked)
        self._begin_next(step)

    def _tell_in_line(self, step: Step, asked: _Asked, rendering: _Rendering | None) -> None:
        """Say that it waits to whoever asks again, and note that somebody listens."""
        if rendering is not None:
            rendering.since = step.now.boot
        if asked.session.protocol >= IN_LINE_PROTOCOL:
            answer = in_line(asked.ask, self._open_count)
            step.send(asked.session.peer, asked.minion.key, answer)

    def on_pull(self, step: Step, minion: Minion, session: Session, pull: Pull) -> None:
        """Answer from what is kept of this minion."""
        body = self._cache.get(step.now, minion.key, pull.digest)
        step.send(session.peer, minion.key, piece_of(pull, body))

    def _answer_again(self, step: Step, asked: _Asked) -> bool:
        digest = self._answered.get(asked.number)
        if digest is None:
            return False
        body = self._cache.get(step.now, asked.minion.key, digest)
        if body is None:
            return False
        step.send(asked.session.peer, asked.minion.key, offer_of(asked.ask, digest, body))
        return True

    def _is_full(self, key: MinionKey, size: int) -> bool:
        limits = self._limits
        of_one, of_all = self._waiting_bytes[key], self._waiting_bytes_of_all
        return (
            self._open_count >= limits.open_max
            or len(self._open.get(key, ())) >= limits.open_of_one_max
            or (of_one > 0 and of_one + size > limits.waiting_bytes_of_one_max)
            or (of_all > 0 and of_all + size > limits.waiting_bytes_max)
        )

    def _count_waiting(self, key: MinionKey, size: int) -> None:
        self._waiting_bytes_of_all += size
        self._waiting_bytes[key] += size
        if not self._waiting_bytes[key]:
            del self._waiting_bytes[key]

    # -- what targets need --------------------------------------------------------------------

    def need(self, step: Step, minion: Minion) -> None:
        """Have the minion's usual pillar rendered from the facts that the store has of it.

        `on_known` tells when that is done.
        """
        if minion.key not in self._needed:
            self._needed[minion.key] = minion
            self._begin_next(step)

    def forget(self, step: Step, key: MinionKey) -> None:
        """Drop what is known of a minion whose key is no longer accepted."""
        self._known.forget(key)
        for rendering in self._running.values():
            if rendering.minion.key == key:
                rendering.is_forgotten = True
        self._needed.pop(key, None)
        self.on_known(step, key, False)

    # -- renderings ---------------------------------------------------------------------------

    def _begin_next(self, step: Step) -> None:
        """Hand out renderings, some more than are done side by side: nobody is to be idle."""
        while len(self._running) < self._limits.at_once and (
            len(self._running) < AT_ONCE or self._running_bytes < self._limits.at_once_bytes_max
        ):
            ways = (self._begin_asked, self._begin_needed)
            first, second = reversed(ways) if self._is_targets_turn else ways
            if not first(step) and not second(step):
                return

    def _begin_asked(self, step: Step) -> bool:
        """Begin what minions ask for; False: nothing of that waits."""
        while (taken := self._turns.take()) is not None:
            key, rendering = taken
            self._waiting.pop((key, rendering.arguments), None)
            self._count_waiting(key, -len(rendering.arguments))
            waits_s = step.now.boot - rendering.since
            if rendering.is_wanted and waits_s < self._limits.waits_s_max:
                self._begin(step, rendering)
                self._is_targets_turn = True
                return True
            self._turns.done(key)
            for asked in rendering.asked:
                self._close(asked)
                if asked.is_wanted:
                    step.send(asked.session.peer, key, refused_offer(asked.ask, BUSY))
        return False

    def _begin_needed(self, step: Step) -> bool:
        """Begin what a target waits for; False: nothing of that waits, or can begin now."""
        under_way = {each.minion.key for each in self._running.values()}
        free = next((each for each in self._needed if each not in under_way), None)
        if free is None:
            return False
        minion = self._needed.pop(free)
        arguments = {"grains_json": self._grains_of(free), "is_usual": True}
        self._begin(step, _Rendering(minion, msgspec.msgpack.encode(arguments), step.now.boot))
        self._is_targets_turn = False
        return True

    def _begin(self, step: Step, rendering: _Rendering) -> None:
        self._numbers += 1
        if not self._running:
            self._timers.set(_ANSWER, step.now.after(self._limits.answer_s_max))
        self._running[self._numbers] = rendering
        self._running_bytes += len(rendering.arguments)
        step.effects.append(Render(self._numbers, rendering.minion.minion, rendering.arguments))

    def on_rendered(self, step: Step, rendered: Rendered) -> None:
        """Answer those who asked for this pillar, and let the next ones begin."""
        rendering = self._running.pop(rendered.number, None)
        if rendering is None:
            return  # it was given up
        self._running_bytes -= len(rendering.arguments)
        if self._running:
            self._timers.set(_ANSWER, step.now.after(self._limits.answer_s_max))
        else:
            self._timers.clear(_ANSWER)
        minion = rendering.minion
        for line in rendered.problems:
            step.report("error", f"pillar {minion.minion} {line}", line)
        if rendering.asked:
            self._turns.done(minion.key)
            self._cache.put(step.now, minion.key, rendered.digest, rendered.body)
        for asked in rendering.asked:
            self._close(asked)
            self._remember(asked, rendered.digest)
            if asked.is_wanted:
                offer = offer_of(asked.ask, rendered.digest, rendered.body)
                step.send(asked.session.peer, minion.key, offer)
        if rendered.is_usual and not rendering.is_forgotten:
            self._known.put(minion.key, rendered.body, has_errors=rendered.has_errors)
            self._needed.pop(minion.key, None)
        if rendered.is_usual or not rendering.asked:
            self.on_known(step, minion.key, not rendered.has_errors)
        self._begin_next(step)

    def on_due(self, step: Step, _due: Due) -> None:
        """Give up what was handed out: nothing of it has been answered for too long."""
        given_up, self._running, self._running_bytes = self._running, {}, 0
        for rendering in given_up.values():
            minion = rendering.minion
            text = f"the pillar of {minion.minion} was not rendered in time"
            step.report("error", "pillar.answer", text)
            if rendering.asked:
                self._turns.done(minion.key)
            for asked in rendering.asked:
                self._close(asked)
                if asked.is_wanted:
                    step.send(asked.session.peer, minion.key, refused_offer(asked.ask, text))
            if not rendering.asked:
                self.on_known(step, minion.key, False)
        self._begin_next(step)

    def on_deadline(self, step: Step) -> None:
        """Forget what nobody pulls any more."""
        self._cache.forget(step.now)

    def _close(self, asked: _Asked) -> None:
        of_one = self._open[asked.minion.key]
        of_one.remove(asked.number)
        self._open_count -= 1
        if not of_one:
            del self._open[asked.minion.key]

    def _remember(self, asked: _Asked, digest: str) -> None:
        self._answered[asked.number] = digest
        while len(self._answered) > ANSWERED_MAX:
            self._answered.popitem(last=False)


def _nobody(step: Step, key: MinionKey, is_good: bool) -> None:
    """Stand for somebody who waits for pillars where nobody does."""
