"""A job that pulls a file of the master through its host's link, as `SourcesOfMaster` does.

It outlives the link that it asks, asks the next one, and goes on at the byte where it stood.
"""

import hashlib
from functools import partial

from limpet.minion.control.messages import AskSource, LocalPiece, LocalServed, PullSource
from limpet.minion.core.effects import LocalRefused, LocalReply
from support.simulator.minion_host import MinionHost
from support.simulator.world import World

QUESTION_S = 150.0
NO_FILE = "there is no such file"
PAUSE_S = 0.25


class Puller:
    """One body on its way."""

    def __init__(self, world: World, host: MinionHost, kind: str, name: str) -> None:
        self.world = world
        self.host = host
        self.kind = kind
        self.name = name
        self.served: LocalServed | None = None
        self.body = b""
        self.is_over = False
        self.is_gone = False
        """Its process was killed."""
        self.problem = ""
        self.restarts = 0
        """How often the file was changed meanwhile."""
        self.asked_at = 0.0
        """When the present question was put for the first time."""
        self._client = 0
        self._attempt = 0

    def begin(self) -> None:
        """Ask what there is."""
        self.served, self.body = None, b""
        self._put(AskSource(self.kind, "base", self.name, b"", ""))  # type: ignore[arg-type]

    def end(self) -> None:
        """Be killed, as a job may be."""
        if self.is_over:
            return
        self.is_over = self.is_gone = True
        client = self._client
        self.host.clients.pop(client, None)
        self.host.step(lambda core: core.on_local_gone(self.host.now(), client))

    def _put(self, question: AskSource | PullSource) -> None:
        self.asked_at = self.world.t
        self._try(question, self.world.t + QUESTION_S)

    def _try(self, question: AskSource | PullSource, end: float) -> None:
        if self.is_over:
            return
        if self.world.t >= end:
            self._finish(f"no answer within {QUESTION_S:.0f} s")
            return
        self._attempt += 1
        again = partial(self._again, self._attempt, question, end)
        if not self.host.is_alive:
            self.world.later(PAUSE_S, again)
            return
        self._client = client = self.host.chance_client()
        tell = partial(self._on_reply, self._attempt, question, end)
        self.host.clients[client] = (tell, again)
        self.host.step(
            lambda core: (
                core.on_local_question(self.host.now(), client, question)
                if client in self.host.clients
                else core.on_local_gone(self.host.now(), client)
            )
        )

    def _again(self, attempt: int, question: AskSource | PullSource, end: float) -> None:
        """Ask once more: the link has gone, or said that it can't now."""
        if attempt == self._attempt:
            self._try(question, end)

    def _on_reply(
        self,
        attempt: int,
        question: AskSource | PullSource,
        end: float,
        effect: LocalReply | LocalRefused,
    ) -> None:
        if attempt != self._attempt or self.is_over:
            return
        if isinstance(effect, LocalRefused):
            if effect.reason in ("busy", "stopping"):
                self.world.later(PAUSE_S, partial(self._again, attempt, question, end))
            else:
                self._finish(effect.text)
        elif isinstance(effect.reply, LocalServed):
            self._on_served(effect.reply)
        else:
            self._on_piece(effect.reply)

    def _on_served(self, served: LocalServed) -> None:
        self.served = served
        if not served.is_found:
            self._finish(NO_FILE)
            return
        if served.has_body:
            self.body = served.body
        self._go_on()

    def _on_piece(self, piece: LocalPiece) -> None:
        if piece.is_changed:
            self.restarts += 1
            self.begin()
            return
        if piece.offset != len(self.body) or not piece.data:
            raise AssertionError(
                f"{self.host.name}: the piece at {piece.offset} of {len(piece.data)} bytes came, "
                f"and the one at {len(self.body)} was asked for"
            )
        self.body += piece.data
        self._go_on()

    def _go_on(self) -> None:
        served = self.served
        assert served is not None
        if len(self.body) < served.total:
            self._put(
                PullSource(self.kind, "base", self.name, served.digest, len(self.body))  # type: ignore[arg-type]
            )
            return
        if hashlib.sha256(self.body).hexdigest() != served.digest:
            raise AssertionError(f"{self.host.name}: {self.name} came and is not what was offered")
        self._finish("")

    def _finish(self, problem: str) -> None:
        self.world.note(self.host.name, f"pulled {self.name}: {problem or 'whole'}")
        self.is_over = True
        self.problem = problem
