"""Questions of this host's jobs on their way to the master, and the answers on theirs back.

    waiting --READY--> put --answered--> gone       put --session lost--> waiting
    put --no answer for a while, or busy--> put again, with the same number
    put --the master says that it is in line--> put, and put again later only
    any --two minutes without a word, the client leaves, the minion ends--> gone

Bodies come in pieces, one piece outstanding over all jobs, so that beats pass; it grows as far as
the line carries it in a quarter of a beat. Small bodies may come with the answer to a question,
two such pieces' worth at a time. Nothing is read, written or hashed here.
"""

from dataclasses import dataclass
from typing import Final

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.messages.sources import (
    BUSY,
    CHANGED,
    GONE,
    PIECE_BYTES_MAX,
    SOURCE_INLINE_BYTES_MAX,
    Ask,
    Offer,
    Piece,
    Pull,
)
from limpet.minion.control.messages import AskSource, LocalPiece, LocalServed, PullSource
from limpet.minion.core.effects import LocalRefused, LocalReply, Send
from limpet.minion.core.outbox import Outbox
from limpet.minion.jobs.bulk_transfer import Pace
from limpet.minion.sessions.greeting import Line

QUESTIONS_MAX: Final = 64
"""Questions that wait at the same time: as many as the Unix socket has clients."""
PATIENCE_S: Final = 120.0
"""Without a word of the master for so long the job is told so."""
WAIT_S: Final = 1800.0
"""… and after so long whatever the master says: the whole fleet may be in line before it."""
ASK_AGAIN_S: Final = 15.0
"""The master may need long for a listing or for pillar, and begins neither twice."""
PULL_AGAIN_S: Final = 5.0
"""… and three beats: a slow line may need long for one piece."""
PULL_AGAIN_BEATS: Final = 3
BUSY_S: Final = 1.0
"""The master has no place in its line; doubles, up to `ASK_AGAIN_S`, each time it says so."""
INLINE_PIECES: Final = 2
"""So many pieces' worth of bodies may come with the answers that are awaited."""


@dataclass(slots=True, eq=False)
class Waiting:
    """One question of one client."""

    client: int
    question: AskSource | PullSource
    number: int
    give_up: Instant
    asked: Instant
    """When it came."""
    again: Instant = FOREVER
    """When it is put again; FOREVER: it has not been put in this session."""
    sent: Instant = FOREVER
    allowance: int = 0
    """Bytes of a body that may come with the answer."""
    is_left: bool = False
    """The client has gone; only the place on the line is still taken."""
    is_repeated: bool = False
    """It was put more than once: when its answer left can't be known."""
    turned_away: int = 0
    """How often the master had no place for it."""

    @property
    def is_put(self) -> bool:
        """Say whether an answer may be under way."""
        return self.again != FOREVER


class FileRequests:
    """All questions that wait for the master."""

    __slots__ = (
        "_is_stopping",
        "_line",
        "_numbers",
        "_outbox",
        "_pulling",
        "_waiting",
        "pace",
    )

    def __init__(self, outbox: Outbox) -> None:
        self._outbox = outbox
        self._line: Line | None = None
        self._waiting: dict[int, Waiting] = {}
        """By number, in the order in which they came."""
        self._numbers = 0
        self._pulling: Waiting | None = None
        """The one pull that is under way."""
        self._is_stopping = False
        self.pace = Pace(PIECE_BYTES_MAX)

    @property
    def next_deadline(self) -> Instant:
        """Give when `on_deadline` has something to do; may be infinite."""
        if not self._waiting:
            return FOREVER
        return min(min(each.give_up, each.again) for each in self._waiting.values())

    def __len__(self) -> int:
        return len(self._waiting)

    # --- the jobs' side -------------------------------------------------------------------------

    def on_question(self, now: Moment, client: int, question: AskSource | PullSource) -> None:
        """Put a question of a client to the master as soon as that can be."""
        if self._is_stopping:
            self._refuse(client, "stopping", "this minion is about to end")
            return
        if len(self._waiting) >= QUESTIONS_MAX:
            text = f"{QUESTIONS_MAX} questions to the master wait already; try again in a moment"
            self._refuse(client, "busy", text)
            return
        self._numbers += 1
        waiting = Waiting(client, question, self._numbers, now.after(PATIENCE_S), now.boot)
        self._waiting[waiting.number] = waiting
        if isinstance(question, AskSource):
            self._put(now, waiting)
        else:
            self._pull_next(now)

    def on_gone(self, client: int) -> None:
        """Forget what a client asked; a piece that is under way keeps its place on the line."""
        for waiting in [each for each in self._waiting.values() if each.client == client]:
            if waiting.is_put:
                waiting.is_left = True
            else:
                del self._waiting[waiting.number]

    def on_stop(self) -> None:
        """Tell all who wait: this process is about to end."""
        self._is_stopping = True
        for waiting in self._waiting.values():
            if not waiting.is_left:
                self._refuse(waiting.client, "stopping", "this minion is about to end")
        self._waiting.clear()
        self._pulling = None

    # --- the master's side ----------------------------------------------------------------------

    def on_line(self, now: Moment, line: Line | None) -> None:
        """Look which session is READY; comes last in every event."""
        if line is self._line:
            return
        self._line = line
        self._pulling = None
        for waiting in list(self._waiting.values()):
            waiting.again = FOREVER
            waiting.allowance = 0
            if waiting.is_left:
                del self._waiting[waiting.number]
        if line is None:
            return
        self.pace.restart()
        for waiting in list(self._waiting.values()):
            if isinstance(waiting.question, AskSource):
                self._put(now, waiting)
        self._pull_next(now)

    def on_message(self, now: Moment, message: Offer | Piece) -> None:
        """Pass an answer on; one to any other question, or of another session, is ignored."""
        line = self._line
        waiting = self._waiting.get(message.request)
        if line is None or message.session != line.session or waiting is None:
            return
        if isinstance(message, Offer) != isinstance(waiting.question, AskSource):
            return
        if not waiting.is_put:
            return
        if message.problem == BUSY and not waiting.is_left:
            self._on_busy(now, waiting, message)
            return
        if isinstance(message, Offer):
            self._on_offer(now, waiting, message, line)
        else:
            self._on_piece(now, waiting, message, line)

    def on_deadline(self, now: Moment) -> None:
        """Give up what has waited too long, and put again what was not answered."""
        for waiting in list(self._waiting.values()):
            if now.boot >= waiting.give_up:
                self._end(waiting)
                if not waiting.is_left:
                    self._refuse(waiting.client, "failed", self._silence(now, waiting))
            elif now.boot >= waiting.again:
                if waiting.is_left:
                    self._end(waiting)
                else:
                    self._put(now, waiting)
        self._pull_next(now)

    # --- inside -----------------------------------------------------------------------------------

    def _put(self, now: Moment, waiting: Waiting) -> None:
        """Send a question, again or for the first time, if there is a line."""
        line = self._line
        if line is None:
            return
        waiting.is_repeated = waiting.is_put
        waiting.sent = now.boot
        question = waiting.question
        message: Ask | Pull
        if isinstance(question, AskSource):
            waiting.again = now.after(ASK_AGAIN_S)
            waiting.allowance = 0
            waiting.allowance = self._allowance()
            message = Ask(
                line.session,
                waiting.number,
                question.kind,
                question.environment,
                question.name,
                question.arguments,
                question.known,
                waiting.allowance,
            )
        else:
            waiting.again = now.after(PULL_AGAIN_S + PULL_AGAIN_BEATS * line.beat_interval_s)
            message = Pull(
                line.session,
                waiting.number,
                question.kind,
                question.environment,
                question.name,
                question.digest,
                question.offset,
                self.pace.bytes_max,
            )
        self._outbox.add(Send(line.attempt, message))

    def _on_busy(self, now: Moment, waiting: Waiting, message: Offer | Piece) -> None:
        """Wait on: the master lives. It tells who has a place in its line how many others have."""
        if isinstance(message, Offer) and message.total:
            waiting.again = now.after(ASK_AGAIN_S)
        else:
            pause_s = BUSY_S * 2.0 ** min(waiting.turned_away, 10)
            waiting.again = now.after(min(ASK_AGAIN_S, pause_s))
            waiting.turned_away += 1
        waiting.give_up = min(now.after(PATIENCE_S), Instant(waiting.asked + WAIT_S))

    def _allowance(self) -> int:
        """Give how much of a body may come with the next answer without crowding the line."""
        wish = min(self.pace.bytes_max, SOURCE_INLINE_BYTES_MAX)
        awaited = sum(waiting.allowance for waiting in self._waiting.values())
        return wish if awaited + wish <= INLINE_PIECES * wish else 0

    def _pull_next(self, now: Moment) -> None:
        """Let the pull that has waited longest have the line, if it is free."""
        if self._pulling is not None or self._line is None:
            return
        for waiting in self._waiting.values():
            if isinstance(waiting.question, PullSource):
                self._pulling = waiting
                self._put(now, waiting)
                return

    def _on_offer(self, now: Moment, waiting: Waiting, offer: Offer, line: Line) -> None:
        self._end(waiting)
        if isinstance(waiting.question, AskSource) and waiting.question.kind == "file":
            self._learn(now, waiting, len(offer.body), line)
        if waiting.is_left:
            return
        if offer.problem:
            self._refuse(waiting.client, "failed", offer.problem)
            return
        reply = LocalServed(
            offer.is_found,
            offer.digest,
            offer.total,
            offer.attributes,
            offer.body,
            offer.has_body,
        )
        self._outbox.add(LocalReply(waiting.client, reply))

    def _on_piece(self, now: Moment, waiting: Waiting, piece: Piece, line: Line) -> None:
        assert isinstance(waiting.question, PullSource)
        if piece.offset != waiting.question.offset:
            return
        self._end(waiting)
        self._learn(now, waiting, len(piece.data), line)
        if not waiting.is_left:
            if piece.problem and piece.problem not in (CHANGED, GONE):
                self._refuse(waiting.client, "failed", piece.problem)
            elif not piece.problem and not piece.data:
                self._refuse(waiting.client, "failed", "the master sent an empty piece")
            else:
                is_changed = bool(piece.problem)
                reply = LocalPiece(piece.offset, piece.data, is_changed)
                self._outbox.add(LocalReply(waiting.client, reply))
        self._pull_next(now)

    def _learn(self, now: Moment, waiting: Waiting, size: int, line: Line) -> None:
        """Learn from bytes that came what the line carries, where it is known when they left."""
        if size and not waiting.is_repeated:
            self.pace.on_transit(size, now.boot - waiting.sent, line.beat_interval_s)

    def _end(self, waiting: Waiting) -> None:
        self._waiting.pop(waiting.number, None)
        if self._pulling is waiting:
            self._pulling = None

    def _refuse(self, client: int, reason: str, text: str) -> None:
        refused: LocalRefused
        if reason == "busy":
            refused = LocalRefused(client, "busy", text)
        elif reason == "stopping":
            refused = LocalRefused(client, "stopping", text)
        else:
            refused = LocalRefused(client, "failed", text)
        self._outbox.add(refused)

    def _silence(self, now: Moment, waiting: Waiting) -> str:
        """Say that nothing came."""
        if now.boot >= waiting.asked + WAIT_S:
            return f"the master had this wait for {WAIT_S / 60:.0f} minutes: see its log"
        if self._line is None:
            why = "there is no link to it now: see `limpet doctor` or the minion's log"
        else:
            why = "the link to it is up: see the master's log"
        return f"no answer from the master for {PATIENCE_S:.0f} s; {why}"
