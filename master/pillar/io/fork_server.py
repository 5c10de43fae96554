"""`python -I -m limpet.master.pillar.io.fork_server FD`: forks processes that render pillar.

It has loaded what rendering needs, and renders nobody's files itself: templates are the
administrator's code and may run for ever, eat memory or crash. What they do ends with the process
that does it:

    Render ─ waiting ─ given ─▶ running ─ whole report ───────────────────▶ Rendered
                 ▲                  ├ too long, too large, no report ─ killed ▶ Rendered (an error)
                 └──────────────────┘ it needs a process of its own

A process is given one after another while it leaves nothing behind (`rendering`), for a second at
most; one that ends costs the minion that it was at, and the others go to the next one.

The descriptor of the line to the master is the only argument. It ends with that line, or when it
has had nothing to do for a while.
"""

import ctypes
import os
import select
import signal
import socket
import sys
import time
from collections import deque
from typing import Final

import msgspec

from limpet.common.control.framing import FramedSocket
from limpet.common.errors import PeerError
from limpet.common.observability.logs import Level, Log
from limpet.master.pillar.io import rendering
from limpet.master.pillar.io.renderer import PR_SET_PDEATHSIG
from limpet.master.pillar.io.renderer_process import RenderingProcess, bury_orphans, said
from limpet.master.pillar.io.warm_up import warm_up
from limpet.master.pillar.messages import (
    AT_ONCE,
    BODY_BYTES_MAX,
    LINE_BYTES_MAX,
    SETUP_BYTES_MAX,
    FromMaster,
    Given,
    LineMessage,
    OfItsOwn,
    Ready,
    Render,
    Rendered,
    Setup,
)

_TURN_S_MAX: Final = 1.0
_PR_SET_CHILD_SUBREAPER: Final = 36
_UNREAD_BYTES_MAX: Final = BODY_BYTES_MAX
"""While the master has more than this to read, nothing new begins."""

_decoder: Final[msgspec.msgpack.Decoder[FromMaster]] = msgspec.msgpack.Decoder(FromMaster)
_encoder: Final = msgspec.msgpack.Encoder()


class RendererForkServer:
    """The loop between the line and the processes that render."""

    def __init__(self, line: FramedSocket, log: Log) -> None:
        self._line = line
        self._log = log
        self._setup: Setup | None = None
        self._setup_payload = b""
        self._running: list[RenderingProcess] = []
        self._waiting: deque[Given] = deque()
        self._own: deque[Given] = deque()
        """Those that need a process of their own; they go before the others."""
        self._busy_s = time.monotonic()

    def run(self) -> None:
        """Serve until the master is gone or there has been nothing to do for a while."""
        self._say(Ready())
        while not self._is_over():
            self._wait()
            self._hear()
            for each in list(self._running):
                self._follow(each)
            self._hand_out()
            self._line.flush()
        for each in list(self._running):
            self._end(each)

    def _is_over(self) -> bool:
        if self._running or self._waiting or self._own or self._line.wants_write:
            self._busy_s = time.monotonic()
            return self._line.is_closed
        idle_s = 60.0 if self._setup is None else self._setup.idle_s
        return self._line.is_closed or time.monotonic() - self._busy_s >= idle_s

    def _wait(self) -> None:
        poll = select.poll()
        wanted = select.POLLIN | (select.POLLOUT if self._line.wants_write else 0)
        poll.register(self._line.fileno(), wanted)
        soonest = time.monotonic() + _TURN_S_MAX
        for each in self._running:
            poll.register(each.ended, select.POLLIN)
            if not each.line.is_closed:
                wanted = select.POLLIN | (select.POLLOUT if each.line.wants_write else 0)
                poll.register(each.line.fileno(), wanted)
            soonest = min(soonest, each.next_deadline_s)
        poll.poll(max(0.0, soonest - time.monotonic()) * 1000 + 1)

    def _hear(self) -> None:
        try:
            for payload in self._line.receive():
                message = _decoder.decode(payload)
                if isinstance(message, Setup):
                    self._set_up(message, payload)
                else:
                    self._waiting.append(Given(message, time.monotonic()))
        except (PeerError, msgspec.DecodeError) as error:
            self._log.critical(f"the line to the master is broken: {error}")
            self._line.close()

    def _set_up(self, setup: Setup, payload: bytes) -> None:
        """Let what begins from now on go by another configuration."""
        self._setup, self._setup_payload = setup, payload
        self._log.level = Level(setup.log_level)
        for each in self._running:
            each.retire()

    # -- renderings ---------------------------------------------------------------------------

    def _hand_out(self) -> None:
        """Give what waits to whoever may render it; end those that are of no more use."""
        for each in list(self._running):
            if each.is_over:
                self._end(each)
        while self._waiting or self._own:
            if self._line.queued_bytes > _UNREAD_BYTES_MAX:
                return
            free = next((each for each in self._running if each.can_go_on), None)
            if free is not None and not self._own:
                free.give(self._waiting.popleft())
                continue
            if len(self._running) >= AT_ONCE:
                if free is None:
                    return
                self._end(free)
            if not self._begin(self._own or self._waiting):
                return

    def _begin(self, line: deque[Given]) -> bool:
        """Start a process for the first in a line; False: the line waits for one that runs."""
        assert self._setup is not None
        try:
            process = RenderingProcess(self._setup_payload, self._setup.wall_s)
        except OSError as error:
            if self._running:
                return False
            told = f"no process can be started: {error.strerror}"
            self._say(rendering.failed(line.popleft().asked, told))
            return True
        self._running.append(process)
        process.give(line.popleft())
        return True

    def _follow(self, each: RenderingProcess) -> None:
        """Take in what a process says, and end it if it has ended or has to."""
        assert self._setup is not None
        has_ended = each.has_ended  # before the line is read: what it said last is heard
        given = each.given
        each.line.flush()
        try:
            heard = each.hear()
        except (PeerError, msgspec.DecodeError, UnicodeDecodeError) as error:
            self._fail(each, f"its process said what is no pillar ({error})")
            return
        if heard is not None:
            assert given is not None
            if isinstance(heard, OfItsOwn):
                self._own.append(given)
            else:
                self._say(heard)
        if each.given is None:
            return
        if has_ended or each.line.is_closed:
            where = each.where
            status = self._end(each)
            self._say(rendering.failed(each.given.asked, f"{where}its process {said(status)}"))
        elif time.monotonic() >= each.give_up_s:
            self._fail(each, f"it took longer than {self._setup.wall_s:g} s")

    def _fail(self, each: RenderingProcess, why: str) -> None:
        where = each.where
        self._end(each)
        if each.given is not None:
            self._say(rendering.failed(each.given.asked, f"{where}{why} and was ended"))

    def _end(self, each: RenderingProcess) -> int:
        self._running.remove(each)
        status = each.end()
        bury_orphans({other.pid for other in self._running})
        return status

    def _say(self, message: LineMessage) -> None:
        try:
            if not self._line.send(_encoder.encode(message)):
                self._line.close()  # a master that does not read is hung and will be ended
        except PeerError:
            assert isinstance(message, Rendered)
            asked = Render(message.number, "", b"")
            self._say(rendering.failed(asked, "it is too large to be handed over"))


def main(words: list[str]) -> int:
    """Run the process: the descriptor of the line is the only argument."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the master ends it, by closing the line
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
    ctypes.CDLL(None).prctl(_PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0)
    connection = socket.socket(fileno=int(words[0]))
    os.set_inheritable(connection.fileno(), False)
    line = FramedSocket(
        connection,
        read_bytes_max=SETUP_BYTES_MAX,
        write_bytes_max=LINE_BYTES_MAX,
        queue_bytes_max=(AT_ONCE + 1) * LINE_BYTES_MAX,
    )
    warm_up()
    RendererForkServer(line, Log(identifier="limpet-pillar")).run()
    line.close()
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
