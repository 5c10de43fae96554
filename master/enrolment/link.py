"""The master's end of the line to its enrolment process: started, watched, started again.

start ─▶ running ─ its line ends, or 30 s of silence ─▶ killed, reaped ─ backoff ≤ 1 s ─▶ start
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import msgspec

from limpet.common.clock import FOREVER, Instant, Moment
from limpet.common.control.framing import FramedSocket
from limpet.common.errors import PeerError, UsageError
from limpet.common.identifiers import MinionKey, is_minion_key
from limpet.common.messages.enrolment import EnrolAnswer, EnrolRequest
from limpet.common.service.logs import Log
from limpet.common.wire.codec import encode, enrol_request_decoder
from limpet.master.enrolment.line import (
    LINE_BYTES_MAX,
    LINE_QUEUE_BYTES_MAX,
    Bound,
    Counters,
    FromProcess,
    NotBound,
    Question,
    Reply,
    Setup,
)
from limpet.master.helper_process import HelperProcess

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 1.0
OPEN_S_MAX: Final = 10.0
"""How long, at the start, the port may be held by another process, such as that of a killed master
that has not noticed yet."""
SILENT_S_MAX: Final = 30.0
"""It says something each second; one that is silent for so long hangs, or was stopped."""
SETTLED_S: Final = 10.0
"""A process that lived this long starts the backoff afresh."""
_READS_A_TURN: Final = 1
_GENERATION_BITS: Final = 32

_decoder: Final[msgspec.msgpack.Decoder[FromProcess]] = msgspec.msgpack.Decoder(FromProcess)
_encoder: Final = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class Enrolling:
    """A stranger asks; answer with `EnrolmentLink.answer(handle, …)`."""

    handle: int
    key: MinionKey
    address: str
    request: EnrolRequest


class EnrolmentLink:
    """One enrolment process at a time, for ever."""

    def __init__(
        self,
        *,
        secret_key: bytes,
        addresses: Sequence[str],
        port: int,
        log: Log,
        silent_s_max: float = SILENT_S_MAX,
    ) -> None:
        """Take note of what the process will be told; `collect` starts it."""
        self.port = port
        """The port that is open, as far as known; as asked for, before that."""
        self.is_open = False
        self.problem = ""
        """Why the port is not open, for `limpet status`."""
        self.starts = 0
        self.connections = 0
        self._setup = Setup(secret_key, tuple(addresses), port, int(log.level))
        self._log = log
        self._process: HelperProcess | None = None
        self._silent_s_max = silent_s_max
        self._silent_until = FOREVER
        self._start_at = Instant(0.0)
        self._started_at = Instant(0.0)
        self._backoff_s = BACKOFF_FIRST_S
        self._was_open = False
        self._bind_trouble = ""
        self._bind_trouble_since = Instant(0.0)
        self._rejected_before: dict[str, int] = {}
        self._rejected_now: dict[str, int] = {}
        self._requests = enrol_request_decoder()

    @property
    def line(self) -> FramedSocket | None:
        """The socket to poll; another one after each start, None between two."""
        return None if self._process is None else self._process.line

    @property
    def next_deadline(self) -> Instant:
        """When `collect` is wanted even if nothing is readable."""
        return self._start_at if self._process is None else self._silent_until

    @property
    def rejected(self) -> dict[str, int]:
        """What was turned away on the port since the master started, by reason."""
        total = dict(self._rejected_before)
        for reason, number in self._rejected_now.items():
            total[reason] = total.get(reason, 0) + number
        return total

    @property
    def pid(self) -> int:
        """The process that runs now; 0: none."""
        return 0 if self._process is None else self._process.pid

    def collect(self, now: Moment) -> list[Enrolling]:
        """Start the process if it is due, read what it says, notice its end."""
        if self._process is None:
            if now.boot >= self._start_at:
                self._start(now)
            return []
        line = self._process.line
        found: list[Enrolling] = []
        line.flush()
        try:
            for payload in line.receive(reads_max=_READS_A_TURN):
                self._silent_until = now.after(self._silent_s_max)
                self._on_process(_decoder.decode(payload), found)
        except (PeerError, msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
            self._log.error(f"the enrolment process said what can't be read: {error}")
            line.close()
        if now.boot >= self._silent_until:
            self._log.error("the enrolment process says nothing any more and is replaced")
            line.close()
        if line.is_closed:
            self._end(now)
        return found

    def raise_if_never_open(self, now: Moment) -> None:
        """Raise `UsageError` if another process holds the port since the start, `OPEN_S_MAX` long.

        A port that was open once and is taken later is tried for ever: the fleet is served.
        """
        if self._bind_trouble and self._bind_trouble_since + OPEN_S_MAX <= now.boot:
            raise UsageError(self._bind_trouble)

    def answer(self, handle: int, answer: EnrolAnswer) -> None:
        """Answer a question; one that came from an earlier process is dropped."""
        generation, number = divmod(handle, 1 << _GENERATION_BITS)
        if generation != self.starts or self._process is None:
            return
        if not self._process.line.send(_encoder.encode(Reply(number, encode(answer)))):
            self._log.report("warning", "enrol.line", "the enrolment process does not read answers")

    def close(self, *, within_s: float = 1.0) -> None:
        """End the process."""
        if self._process is not None:
            self._process.close(within_s)
            self._process = None
        self.is_open = False

    def _start(self, now: Moment) -> None:
        try:
            self._process = HelperProcess(
                "limpet.master.enrolment.process",
                read_bytes_max=LINE_BYTES_MAX,
                write_bytes_max=LINE_BYTES_MAX,
                queue_bytes_max=LINE_QUEUE_BYTES_MAX,
            )
        except OSError as error:
            self._put_off(now, error)
            return
        self.starts += 1
        self._started_at = now.boot
        self._silent_until = now.after(self._silent_s_max)
        self._process.line.send(_encoder.encode(self._setup))

    def _put_off(self, now: Moment, error: OSError) -> None:
        """Try again in a moment: descriptors or processes have run out."""
        self.problem = f"the enrolment process can't be started: {error}"
        self._log.report("error", "enrol.start", self.problem)
        self._start_at = now.after(BACKOFF_MAX_S)

    def _end(self, now: Moment) -> None:
        """Reap the process and set the time of the next."""
        assert self._process is not None
        code = self._process.end()
        self._process = None
        self._rejected_before = self.rejected
        self._rejected_now = {}
        self.is_open = False
        self.connections = 0
        if now.boot - self._started_at >= SETTLED_S:
            self._backoff_s = BACKOFF_FIRST_S
        self._start_at = now.after(self._backoff_s)
        self._backoff_s = min(self._backoff_s * 2, BACKOFF_MAX_S)
        self.problem = f"the enrolment process ended (status {code}) and is started again"
        self._log.report("error", "enrol.ended", self.problem)

    def _on_process(self, message: FromProcess, found: list[Enrolling]) -> None:
        match message:
            case Bound(port=port):
                self.port = port
                self.is_open = self._was_open = True
                self.problem = self._bind_trouble = ""
                # The next process has to open the same port, even if this one was picked freely.
                self._setup = msgspec.structs.replace(self._setup, port=port)
                self._log.info(f"strangers may ask for enrolment on port {port}")
            case NotBound(text=text):
                self.problem = text
                self._log.report("error", "enrol.bind", text)
                if not self._was_open and not self._bind_trouble:
                    self._bind_trouble_since = self._started_at
                if not self._was_open:
                    self._bind_trouble = text
            case Counters(rejected=rejected, connections=connections):
                self._rejected_now = rejected
                self.connections = connections
            case Question(handle=handle, key=key, address=address, frame=frame):
                if not is_minion_key(key):
                    raise PeerError("bad_key", "a question without a proven key")
                request = self._requests.decode(frame)
                number = self.starts << _GENERATION_BITS | handle
                found.append(Enrolling(number, MinionKey(key), address, request))
