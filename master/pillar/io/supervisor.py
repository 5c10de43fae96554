"""The master's end of the line to its pillar fork server: started on need, watched, started again.

idle ─ render ─▶ starting ─▶ running ─ nothing to do for a minute ─▶ idle
                                └ its line ends, or no answer in time ─▶ killed ─▶ started again

A rendering that was lost with its fork server is begun again, once; after that, and where a fork
server twice can't even be started, it is answered with an error. What was lost goes before all
else, and one at a time: a pillar that ends its fork server each time takes no other with it. So
each `render` is followed by one `Rendered` from `collect`, whatever happens.
"""

import hashlib
from collections import OrderedDict
from dataclasses import dataclass
from typing import Final

import msgspec

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.control.framing import FramedSocket
from limpet.common.errors import PeerError
from limpet.common.observability.logs import Log
from limpet.master.pillar.messages import (
    LINE_BYTES_MAX,
    SETUP_BYTES_MAX,
    FromForkServer,
    Ready,
    Render,
    Rendered,
    Setup,
)
from limpet.master.process.helper_process import HelperProcess

ATTEMPTS_MAX: Final = 2
GRACE_S: Final = 5.0
"""A fork server that has not answered so long after the rendering's own limit hangs."""
START_S_MAX: Final = 20.0
"""A start takes half a second; on a busy machine some more."""
BACKOFF_S: Final = 1.0
"""Between two starts, if the first of them did no work."""
_READS_A_TURN: Final = 16

_decoder: Final[msgspec.msgpack.Decoder[FromForkServer]] = msgspec.msgpack.Decoder(FromForkServer)
_encoder: Final = msgspec.msgpack.Encoder()


@dataclass(slots=True)
class _Pending:
    """A rendering that is not answered yet."""

    asked: Render
    attempts: int = 0
    """How often it was given to a fork server."""
    is_sent: bool = False


class RendererSupervisor:
    """At most one fork server at a time, and none while there is nothing to render."""

    def __init__(self, setup: Setup, log: Log) -> None:
        """Take note of what the fork server will be told; `collect` starts it on need."""
        self.starts = 0
        self.problem = ""
        """Why there is no fork server though there is need of one, for `limpet status`."""
        self._setup = setup
        self._log = log
        self._process: HelperProcess | None = None
        self._is_ready = False
        self._failed_starts = 0
        """In a row."""
        self._start_at = Instant(0.0)
        self._ready_by = FOREVER
        self._answer_by = FOREVER
        """When the fork server has to have answered something."""
        self._pending: OrderedDict[int, _Pending] = OrderedDict()
        self._lost: set[int] = set()
        """Of those that are pending, the ones that were lost with a fork server."""
        self._answers: list[Rendered] = []

    @property
    def line(self) -> FramedSocket | None:
        """The socket to poll; another one after each start, None between two."""
        return None if self._process is None else self._process.line

    @property
    def pid(self) -> int:
        """The fork server that runs now; 0: none."""
        return 0 if self._process is None else self._process.pid

    @property
    def next_deadline(self) -> Instant:
        """When `collect` is wanted even if nothing is readable; `FOREVER` where nothing is due."""
        if self._answers:
            return Instant(0.0)
        if self._process is None:
            return self._start_at if self._pending else FOREVER
        if not self._is_ready:
            return self._ready_by
        return self._answer_by

    def render(self, asked: Render, now: Moment) -> None:
        """Have a minion's pillar rendered."""
        self._pending[asked.number] = pending = _Pending(asked)
        if self._process is not None and self._is_ready and not self._lost:
            self._send(pending, now)

    def reconfigure(self, setup: Setup) -> None:
        """Let renderings that begin from now on go by another configuration."""
        self._setup = setup
        if self._process is not None:
            self._process.line.send(_encoder.encode(setup))

    def collect(self, now: Moment) -> list[Rendered]:
        """Start the fork server if there is need, read what it says, notice its end."""
        if self._process is None and self._pending and now.boot >= self._start_at:
            self._start(now)
        if self._process is not None:
            self._listen(self._process.line, now)
        answers, self._answers = self._answers, []
        return answers

    def close(self, *, within_s: float = 1.0) -> None:
        """End the fork server with what it renders; nothing is answered any more."""
        self._pending.clear()
        self._lost.clear()
        if self._process is not None:
            self._process.close(within_s)
            self._process = None

    def _listen(self, line: FramedSocket, now: Moment) -> None:
        line.flush()
        try:
            for payload in line.receive(reads_max=_READS_A_TURN):
                message = _decoder.decode(payload)
                if isinstance(message, Ready):
                    self._on_ready(now)
                else:
                    self._on_rendered(message, now)
        except (PeerError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._log.error(f"the pillar fork server said what can't be read: {error}")
            line.close()
        if now.boot >= self.next_deadline and not self._answers:
            self._log.error("the pillar fork server does not answer and is replaced")
            line.close()
        if line.is_closed:
            self._end(now)

    def _on_ready(self, now: Moment) -> None:
        self._is_ready = True
        self._failed_starts = 0
        self._send_next(now)

    def _on_rendered(self, rendered: Rendered, now: Moment) -> None:
        pending = self._pending.pop(rendered.number, None)
        if pending is None:
            return
        self._answers.append(rendered)
        self.problem = ""
        # None takes longer than its limit, or twice that where it was begun again in a process of
        # its own, so among those that wait there is always one that ends.
        self._answer_by = self._next_answer(now) if self._pending else FOREVER
        if rendered.number in self._lost:
            self._lost.discard(rendered.number)
            self._send_next(now)

    def _send_next(self, now: Moment) -> None:
        """Send what has not been sent; while there is any that was lost, one at a time."""
        waiting = [each for each in self._pending.values() if not each.is_sent]
        if self._lost:
            is_one_under_way = len(waiting) < len(self._pending)
            waiting = [] if is_one_under_way else waiting[:1]  # those that were lost are the oldest
        for pending in waiting:
            self._send(pending, now)

    def _next_answer(self, now: Moment) -> Instant:
        return now.after(2 * self._setup.wall_s + GRACE_S)

    def _send(self, pending: _Pending, now: Moment) -> None:
        assert self._process is not None
        pending.attempts += 1
        pending.is_sent = True
        if self._answer_by == FOREVER:
            self._answer_by = self._next_answer(now)
        self._process.line.send(_encoder.encode(pending.asked))

    def _start(self, now: Moment) -> None:
        try:
            self._process = HelperProcess(
                "limpet.master.pillar.io.fork_server",
                read_bytes_max=LINE_BYTES_MAX,
                write_bytes_max=SETUP_BYTES_MAX,
                queue_bytes_max=4 * SETUP_BYTES_MAX,
            )
        except OSError as error:
            self._put_off(now, error)
            return
        self._is_ready = False
        self._ready_by = now.after(START_S_MAX)
        self.starts += 1
        self._process.line.send(_encoder.encode(self._setup))

    def _put_off(self, now: Moment, error: OSError) -> None:
        """Try again in a moment: descriptors or processes have run out."""
        self.problem = f"the pillar fork server can't be started: {error}"
        self._log.report("error", "pillar.start", self.problem)
        self._start_at = now.after(BACKOFF_S)
        self._note_failed_start(self.problem)

    def _end(self, now: Moment) -> None:
        """Reap the fork server; what it has not answered is begun again or fails."""
        assert self._process is not None
        code = self._process.end()
        self._process = None
        was_ready, self._is_ready = self._is_ready, False
        self._answer_by = FOREVER
        if not self._pending:
            return
        self.problem = f"the pillar fork server ended (status {code}) and is started again"
        self._log.report("error", "pillar.ended", self.problem)
        self._start_at = now.boot if was_ready else now.after(BACKOFF_S)
        told = f"the pillar fork server ended (status {code})"
        if not was_ready:
            self._note_failed_start(told)
        for number, pending in list(self._pending.items()):
            if not pending.is_sent:
                continue
            pending.is_sent = False
            self._lost.add(number)
            if pending.attempts >= ATTEMPTS_MAX:
                self._give_up(pending, told)

    def _note_failed_start(self, why: str) -> None:
        """Give up all that waits when one start after the other has failed."""
        self._failed_starts += 1
        if self._failed_starts < ATTEMPTS_MAX:
            return
        self._failed_starts = 0
        for pending in list(self._pending.values()):
            self._give_up(pending, why)

    def _give_up(self, pending: _Pending, why: str) -> None:
        asked = pending.asked
        del self._pending[asked.number]
        self._lost.discard(asked.number)
        text = f"Pillar of {asked.minion}: {why} while it was rendered; ask again"
        # What the fork server would say, whose modules are not loaded here.
        body = _encoder.encode({"data": {}, "errors": [text]})
        digest = hashlib.sha256(body).hexdigest()
        self._answers.append(Rendered(asked.number, body, digest, False, True, (text,)))
