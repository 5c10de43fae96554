"""`python -I -m limpet.master.enrolment.io.process FD`: the port for keys that nobody knows yet.

A process of its own, so that nothing that strangers do there, a crash of the library included,
touches the main port. It has no database and no configuration; the key comes over the line to the
master. Run like this, that is a socket pair whose descriptor is the only argument, and the process
ends with it; `service.py` has a line of another kind.

    stranger ─ EnrolRequest ─▶ bounds, rates ─ Question ─▶ master ─ Reply ─▶ stranger
                                  └─ too many, or no reply in time: told when to come again
"""

import gc
import signal
import socket
import sys
from collections import Counter, OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import msgspec

from limpet.common.clock import Instant, SystemClock
from limpet.common.control.framing import FramedSocket
from limpet.common.errors import PeerError, UsageError
from limpet.common.identifiers import MinionKey
from limpet.common.messages.enrolment import EnrolRequest
from limpet.common.observability.logs import Level, Log
from limpet.common.service.signals import STOP_SIGNALS, SignalPipe
from limpet.common.service.watchdog import Watchdog, exit_process
from limpet.common.transport.errors import FrameTooLarge, PeerFull, PeerGone
from limpet.common.transport.events import Arrival
from limpet.common.transport.sockets import Poller
from limpet.common.transport.suspensions import Suspensions
from limpet.common.wire.codec import encode, enrol_request_decoder
from limpet.master.enrolment.io.messages import (
    LINE_BYTES_MAX,
    LINE_QUEUE_BYTES_MAX,
    Bound,
    Counters,
    FromMaster,
    NotBound,
    Question,
    Setup,
)
from limpet.master.enrolment.io.port import EnrolmentPort
from limpet.master.enrolment.rate_limits import EnrolRates
from limpet.master.enrolment.retry_pacing import Turns
from limpet.master.process.memory import resident_bytes

QUESTION_S_MAX: Final = 4.0
"""A minion waits a second longer than this for an answer."""
QUESTIONS_MAX: Final = 1_000
CONNECTIONS_MAX: Final = 1_500
"""With so many descriptors in spite of all cuts the port is closed and opened anew."""
MEMORY_BYTES_MAX: Final = 96 * 1024 * 1024
"""With more than this resident, the port is closed and opened anew."""
WATCHDOG_S: Final = 10.0
_COUNTERS_S: Final = 1.0
_TURN_S_MAX: Final = 1.0
_LOG_SWEEP_S: Final = 60.0
_PR_SET_PDEATHSIG: Final = 1

_decoder: Final[msgspec.msgpack.Decoder[FromMaster]] = msgspec.msgpack.Decoder(FromMaster)
_encoder: Final = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class _Waiting:
    """A stranger that waits for the master's answer."""

    peer: bytes
    key: MinionKey
    request: EnrolRequest
    deadline: Instant


class EnrolmentProcess:
    """The loop between the line and the port."""

    def __init__(
        self,
        line: FramedSocket,
        setup: Setup,
        log: Log,
        watchdog: Watchdog,
        *,
        signals: SignalPipe | None = None,
        tell: Callable[[str], None] = lambda _: None,
    ) -> None:
        """Take over a line on which the set-up has come.

        `signals`: those that end it, if there are any. `tell` hears in a few words how it is.
        """
        self.is_stopped = False
        """Whether a signal ended it, rather than the line."""
        self.misfit = ""
        """What the master said that can't be understood; empty: nothing."""
        self._signals = signals
        self._tell = tell
        self._line = line
        self._setup = setup
        self._log = log
        self._watchdog = watchdog
        self._clock = SystemClock()
        self._rejected: Counter[str] = Counter()
        self._suspensions = Suspensions()
        now = self._clock.now().boot
        self._rates = EnrolRates(now)
        self._turns = Turns()
        self._questions: OrderedDict[int, _Waiting] = OrderedDict()
        self._next_handle = 1
        self._decoder = enrol_request_decoder()
        self._poller = Poller()
        self._port: EnrolmentPort | None = None
        self._retry_at = now
        self._counters_at = now
        self._sweep_log_at = now

    def run(self) -> None:
        """Serve until the master is gone, or a stop was asked for."""
        self._poller.register(self._line)
        if self._signals is not None:
            self._poller.register(self._signals)
        while not (self._line.is_closed or self.is_stopped):
            self._watchdog.turned()
            now = self._clock.now().boot
            if self._port is None and now >= self._retry_at:
                self._open(now)
            self._poller.register(self._line, writable=self._line.wants_write)
            self._poller.wait(max(0.0, self._wake_at(now) - now))
            self._turn(self._clock.now().boot)
        self._close()

    def _wake_at(self, now: Instant) -> Instant:
        soonest = min(now + _TURN_S_MAX, self._counters_at)
        if self._port is None:
            return Instant(min(soonest, self._retry_at))
        return Instant(min(soonest, self._port.next_sweep))

    def _turn(self, now: Instant) -> None:
        if self._signals is not None and any(
            number in STOP_SIGNALS for number in self._signals.take()
        ):
            self.is_stopped = True
            return
        self._line.flush()
        try:
            payloads = self._line.receive()
            for payload in payloads:
                self._on_master(_decoder.decode(payload), now)
        except (PeerError, msgspec.DecodeError) as error:
            # Only the master speaks here: what can't be read means that the two do not match.
            self.misfit = f"the line to the master is broken: {error}"
            self._log.critical(self.misfit)
            self._line.close()
            return
        if self._port is not None:
            self._serve(self._port, now)
        self._forget_late_questions(now)
        self._tell_counters(now)
        if now >= self._sweep_log_at:
            self._sweep_log_at = Instant(now + _LOG_SWEEP_S)
            self._log.sweep()

    # -- the port -----------------------------------------------------------------------------

    def _open(self, now: Instant) -> None:
        port = EnrolmentPort(self._setup, self._suspensions, self._rejected)
        try:
            number = port.router.bind(self._setup.addresses, self._setup.port)
        except UsageError as error:
            port.close()
            self._retry_at = Instant(now + 1.0)
            self._say(NotBound(str(error)[:1000]))
            self._tell(str(error))
            return
        self._port = port
        self._setup = msgspec.structs.replace(self._setup, port=number)
        self._poller.register(port.router)
        self._poller.register(port.authenticator)
        self._say(Bound(number))
        self._tell(f"new minions may ask on port {number}")

    def _close(self) -> None:
        if self._port is not None:
            self._poller.unregister(self._port.router)
            self._poller.unregister(self._port.authenticator)
            self._port.close()
            self._port = None
        self._questions.clear()

    def _serve(self, port: EnrolmentPort, now: Instant) -> None:
        port.authenticator.serve()
        for refusal in port.authenticator.refusals():
            self._rejected[refusal.reason] += refusal.count
        for arrival in port.arrivals(now):
            self._on_arrival(port, arrival, now)
        port.sweep(now)
        if port.authenticator.tidy(now):
            self._poller.register(port.authenticator)
        if len(port) > CONNECTIONS_MAX or resident_bytes() > MEMORY_BYTES_MAX:
            self._rejected["enrol_reopened"] += 1
            self._log.report(
                "warning", "enrol.reopened", "the enrolment port was closed and opened anew"
            )
            self._close()
            self._retry_at = now
            gc.collect()

    def _on_arrival(self, port: EnrolmentPort, arrival: Arrival, now: Instant) -> None:
        try:
            request = self._decoder.decode(arrival.frame)
        except PeerError as error:
            self._rejected[error.reason] += 1
            return
        port.heard(arrival, now)
        has_token = bool(request.token_id)
        if not self._rates.may_ask(arrival.key, arrival.address, has_token=has_token, now=now):
            self._put_off(port, arrival.peer, request, now, "enrol_rate")
            return
        if len(self._questions) >= QUESTIONS_MAX:
            self._put_off(port, arrival.peer, request, now, "enrol_busy")
            return
        handle = self._next_handle
        self._next_handle += 1
        deadline = Instant(now + QUESTION_S_MAX)
        self._questions[handle] = _Waiting(arrival.peer, arrival.key, request, deadline)
        if not self._say(Question(handle, arrival.key, arrival.address, arrival.frame)):
            del self._questions[handle]
            self._put_off(port, arrival.peer, request, now, "enrol_busy")

    def _put_off(
        self, port: EnrolmentPort, peer: bytes, request: EnrolRequest, now: Instant, why: str
    ) -> None:
        """Tell a minion when to come again."""
        self._rejected[why] += 1
        self._answer(port, peer, encode(self._turns.put_off(request, now)))

    def _answer(self, port: EnrolmentPort, peer: bytes, frame: bytes) -> None:
        try:
            port.router.send(peer, frame)
        except PeerGone:
            return  # it asks again
        except PeerFull:
            self._rejected["slow_peer"] += 1
        except FrameTooLarge as error:
            self._log.report("error", "enrol.answer", str(error))

    # -- the line -----------------------------------------------------------------------------

    def _on_master(self, message: FromMaster, now: Instant) -> None:
        if isinstance(message, Setup):  # said again: only how loud the log is may be another
            self._log.level = Level(message.log_level)
            return
        waiting = self._questions.pop(message.handle, None)
        if waiting is None or self._port is None:
            return
        self._rates.on_answered(waiting.key, now)
        self._answer(self._port, waiting.peer, message.frame)

    def _forget_late_questions(self, now: Instant) -> None:
        while self._questions:
            handle, waiting = next(iter(self._questions.items()))
            if now < waiting.deadline:
                return
            del self._questions[handle]
            if self._port is not None:
                self._put_off(self._port, waiting.peer, waiting.request, now, "enrol_unanswered")

    def _tell_counters(self, now: Instant) -> None:
        if now < self._counters_at:
            return
        self._counters_at = Instant(now + _COUNTERS_S)
        self._say(Counters(dict(self._rejected), 0 if self._port is None else len(self._port)))

    def _say(self, message: msgspec.Struct) -> bool:
        return self._line.send(_encoder.encode(message))


def main(words: list[str]) -> int:
    """Run the process: the descriptor of the line is the only argument."""
    for number in (signal.SIGINT, signal.SIGHUP, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)  # the master ends it, by closing the line
    _die_with_parent()
    connection = socket.socket(fileno=int(words[0]))
    connection.setblocking(True)
    connection.settimeout(10.0)
    log = Log(identifier="limpet-enrol")
    try:
        setup = _first_message(connection)
    except (OSError, msgspec.DecodeError) as error:
        log.critical(f"the enrolment process was not told what to do: {error}")
        return 1
    log.level = Level(setup.log_level)
    line = FramedSocket(
        connection,
        read_bytes_max=LINE_BYTES_MAX,
        write_bytes_max=LINE_BYTES_MAX,
        queue_bytes_max=LINE_QUEUE_BYTES_MAX,
    )
    with Watchdog(limit_s=WATCHDOG_S, on_hang=exit_process()) as watchdog:
        EnrolmentProcess(line, setup, log, watchdog).run()
    line.close()
    return 0


def _die_with_parent() -> None:
    """Have the kernel end this process with the master, even while it hangs.

    Where that can't be had, the end of the line is heard as soon as the loop turns.
    """
    import ctypes  # of no use to the service

    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)


def _first_message(connection: socket.socket) -> Setup:
    """Read the `Setup`, which is there already. Raises `OSError` and `msgspec.DecodeError`."""
    size = int.from_bytes(_exactly(connection, 4), "big")
    if size > LINE_BYTES_MAX:
        raise OSError(f"{size} bytes are no set-up")
    return msgspec.msgpack.decode(_exactly(connection, size), type=Setup)


def _exactly(connection: socket.socket, size: int) -> bytes:
    data = b""
    while len(data) < size:
        part = connection.recv(size - len(data))
        if not part:
            raise OSError("the master is gone")
        data += part
    return data


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
