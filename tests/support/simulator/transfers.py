"""What must hold of files on their way: one piece at a time, nothing twice, everything told."""

from dataclasses import dataclass, field

from limpet.common.messages.fields import Message
from limpet.common.messages.sources import BUSY, Ask, Offer, Piece, Pull
from limpet.minion.core import effects as minion_do
from limpet.minion.files.requests import (
    ASK_AGAIN_S,
    BUSY_S,
    PATIENCE_S,
    PULL_AGAIN_BEATS,
    PULL_AGAIN_S,
)
from support.simulator.checking import Checker, Scene
from support.simulator.file_server import pillar_of
from support.simulator.minion_host import MinionHost
from support.simulator.puller import NO_FILE, QUESTION_S, Puller

SLACK_S = 0.5
STANDING_S = 60.0
"""Whoever was READY for so long, its master up and its way open, had an answer."""


@dataclass
class Line:
    """What one session of a host has put to the master and not had answered."""

    life: int
    session: int
    put: dict[int, float] = field(default_factory=dict)
    """By number: when it was put last."""
    pulls: dict[int, float] = field(default_factory=dict)


class Transfers(Checker):
    """Watches the questions of jobs."""

    def __init__(self, scene: Scene) -> None:
        super().__init__(scene)
        self.pullers: list[Puller] = []
        self._lines: dict[str, Line] = {}
        self._master_up_since = 0.0
        self._master_life = -1

    # -- what is put -----------------------------------------------------------------------------

    def on_minion_effect(self, host: MinionHost, effect: minion_do.Effect) -> None:
        """Check that nothing is asked too often, and that one piece is outstanding."""
        if isinstance(effect, minion_do.LocalRefused):
            self._is_refused_rightly(host, effect)
        if not isinstance(effect, minion_do.Send):
            return
        message = effect.message
        if not isinstance(message, Ask | Pull):
            return  # a host may be dead by now whose last word waited for the disk
        session = host.the_core.link.session
        if session is None:
            return  # the socket was closed in this very event: nothing leaves
        line = self._lines.get(host.name)
        if line is None or (line.life, line.session) != (host.life, message.session):
            line = self._lines[host.name] = Line(host.life, message.session)
        last = line.put.get(message.request)
        again_s = ASK_AGAIN_S
        if isinstance(message, Pull):
            again_s = PULL_AGAIN_S + PULL_AGAIN_BEATS * session.beats.interval_s
        least_s = again_s - SLACK_S
        if last is not None and self.world.t - last < least_s:
            self.broken(
                f"{host.name} asks again after {self.world.t - last:.2f} s: {message.request}"
            )
        line.put[message.request] = self.world.t
        if isinstance(message, Pull):
            line.pulls[message.request] = self.world.t
            out = [at for at in line.pulls.values() if self.world.t - at < least_s]
            if len(out) > 1:
                self.broken(f"{host.name} has {len(out)} pieces under way at the same time")

    def on_minion_heard(self, host: MinionHost, message: Message) -> None:
        """Take note of answers: what was answered may be put anew."""
        line = self._lines.get(host.name)
        if line is None or not isinstance(message, Offer | Piece):
            return
        if message.session == line.session:
            line.pulls.pop(message.request, None)
            if message.problem == BUSY:
                line.put[message.request] = self.world.t - ASK_AGAIN_S + BUSY_S
            else:
                line.put.pop(message.request, None)

    # -- what jobs are told ------------------------------------------------------------------------

    def _is_refused_rightly(self, host: MinionHost, effect: minion_do.LocalRefused) -> None:
        """Check that nobody is told of silence whose line was up all the time."""
        if effect.reason != "failed" or effect.client not in host.clients:
            return
        since = max(host.ready_at if host.ready_at is not None else 1e9, self._master_up_since)
        for stood in (host.stood_still[1], self.master.stood_still[1]):
            since = max(since, stood)
        is_near = not host.weather.is_dark and not host.weather.slow_bytes_s
        is_calm = self.world.t - host.weather.slow_until > STANDING_S
        if is_near and is_calm and self.world.t - since > STANDING_S:
            self.broken(f"{host.name} is up, and a job of it is told: {effect.text}")

    def on_master_step(self) -> None:
        """Note since when this life of the master lasts."""
        if self._master_life != self.master.life:
            self._master_life = self.master.life
            self._master_up_since = self.world.t

    def look(self) -> None:
        """Check that no question waits longer than it may, though its link lives."""
        for puller in self.pullers:
            if not puller.is_over and puller.asked_at:
                waited_s = self.world.t - puller.asked_at
                stood_s = puller.host.stood_still[1] - puller.asked_at
                if waited_s - max(0.0, stood_s) > QUESTION_S + PATIENCE_S:
                    self.broken(f"a job of {puller.host.name} waits for {waited_s:.0f} s")

    # -- the end -----------------------------------------------------------------------------------

    def all_ended(self) -> None:
        """Check that every job has its file or knows why not, and that nobody keeps a question."""
        for puller in self.pullers:
            if puller.asked_at and not puller.is_over:
                self.broken(f"a job of {puller.host.name} still waits for {puller.name}")
            if puller.problem and not puller.problem.startswith((NO_FILE, "no answer")):
                self.broken(f"a job of {puller.host.name} is told: {puller.problem}")
        for host in self.scene.minions:
            if len(host.the_core.files):
                self.broken(f"{host.name} keeps {len(host.the_core.files)} questions")
        core = self.master.core
        assert core is not None
        if core._sources.open_count:
            self.broken(f"the master keeps {core._sources.open_count} questions")
            if puller.kind == "pillar" and puller.is_over and puller.body:
                name = puller.host.settings.minion_id
                if not puller.body.startswith(pillar_of(name, 1)):
                    self.broken(f"{puller.host.name} was given {puller.body[:60]!r}")
