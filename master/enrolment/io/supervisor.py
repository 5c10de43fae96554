"""The master's end of the line to its enrolment process: opened, watched, opened again.

open ─▶ running ─ its line ends, or 30 s of silence ─▶ line closed ─ backoff ≤ 1 s ─▶ open

Where lines come from, a process of the master's own or a service, is the business of
`launchers.py`.
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
from limpet.common.observability.logs import Level, Log
from limpet.common.wire.codec import encode, enrol_request_decoder
from limpet.master.enrolment.backoff import Backoff
from limpet.master.enrolment.io.launchers import Launcher, OwnProcess, Pollable
from limpet.master.enrolment.io.messages import (
    Bound,
    Counters,
    FromProcess,
    NotBound,
    Question,
    Reply,
    Setup,
)

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 1.0
OPEN_S_MAX: Final = 10.0
"""How long, at the start, the port may be held by another process, such as that of a killed master
that has not noticed yet."""
SILENT_S_MAX: Final = 30.0
"""It says something each second; one that is silent for so long hangs, or was stopped."""
SETTLED_S: Final = 10.0
"""A process that lived this long starts the backoff afresh."""
ABSENT_S_MAX: Final = 10.0
"""How long nobody may be connected before it is told."""
_READS_A_TURN: Final = 1
_GENERATION_BITS: Final = 32

_decoder: Final[msgspec.msgpack.Decoder[FromProcess]] = msgspec.msgpack.Decoder(FromProcess)
_encoder: Final = msgspec.msgpack.Encoder()


@dataclass(frozen=True, slots=True)
class Enrolling:
    """A stranger asks; answer with `EnrolmentSupervisor.answer(handle, …)`."""

    handle: int
    key: MinionKey
    address: str
    request: EnrolRequest


class EnrolmentSupervisor:
    """One enrolment process at a time, for ever."""

    def __init__(
        self,
        *,
        secret_key: bytes,
        addresses: Sequence[str],
        port: int,
        log: Log,
        lines: Launcher | None = None,
        silent_s_max: float = SILENT_S_MAX,
    ) -> None:
        """Take note of what the process will be told; `collect` opens the line.

        `lines`: None starts processes of the master's own.
        """
        self.port = port
        """The port that is open, as far as known; as asked for, before that."""
        self.is_open = False
        self.problem = ""
        """Why the port is not open, for `limpet status`."""
        self.starts = 0
        self.connections = 0
        self._setup = Setup(secret_key, tuple(addresses), port, int(log.level))
        self._log = log
        self._lines = OwnProcess() if lines is None else lines
        self._line: FramedSocket | None = None
        self._silent_s_max = silent_s_max
        self._silent_until = FOREVER
        self._is_waiting = False
        """Whether the next line is up to somebody who has not come yet."""
        self._absent_until: Instant | None = None
        self._backoff = Backoff(first_s=BACKOFF_FIRST_S, max_s=BACKOFF_MAX_S, settled_s=SETTLED_S)
        self._was_open = False
        self._bind_trouble = ""
        self._bind_trouble_since = Instant(0.0)
        self._rejected_before: dict[str, int] = {}
        self._rejected_now: dict[str, int] = {}
        self._requests = enrol_request_decoder()

    @property
    def line(self) -> FramedSocket | None:
        """The present line; another one after each start, None between two."""
        return self._line

    @property
    def pollable(self) -> Pollable | None:
        """What to poll: the line, or the socket at which the next one comes in."""
        if self._line is not None:
            return self._line
        return self._lines.doorway if self._is_waiting else None

    @property
    def next_deadline(self) -> Instant:
        """When `collect` is wanted even if nothing is readable."""
        if self._line is not None:
            return self._silent_until
        if self._is_waiting:
            assert self._absent_until is not None
            return self._absent_until
        return self._backoff.next_at

    @property
    def rejected(self) -> dict[str, int]:
        """What was turned away on the port since the master started, by reason."""
        total = dict(self._rejected_before)
        for reason, number in self._rejected_now.items():
            total[reason] = total.get(reason, 0) + number
        return total

    @property
    def pid(self) -> int:
        """The process of the master's own that runs now; 0: none."""
        return self._lines.pid

    def collect(self, now: Moment) -> list[Enrolling]:
        """Open the line if it is due, read what the process says, notice its end."""
        line = self._line
        if line is None:
            if now.boot >= self._backoff.next_at:
                self._open(now)
            return []
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

        A port that was open once and is taken later is tried for ever: the fleet is served. So is
        one that a service should open: nobody sits before it.
        """
        if not self._lines.is_own:
            return
        if self._bind_trouble and self._bind_trouble_since + OPEN_S_MAX <= now.boot:
            raise UsageError(self._bind_trouble)

    def answer(self, handle: int, answer: EnrolAnswer) -> None:
        """Answer a question; one that came from an earlier process is dropped."""
        generation, number = divmod(handle, 1 << _GENERATION_BITS)
        if generation != self.starts or self._line is None:
            return
        if not self._line.send(_encoder.encode(Reply(number, encode(answer)))):
            self._log.report("warning", "enrol.line", "the enrolment process does not read answers")

    def set_level(self, level: Level) -> None:
        """Let the process write as much as this into its log, and those after it."""
        if level == self._setup.log_level:
            return
        self._setup = msgspec.structs.replace(self._setup, log_level=int(level))
        if self._line is not None:
            self._line.send(_encoder.encode(self._setup))

    def close(self, *, within_s: float = 1.0) -> None:
        """End the line, and the process if it is the master's own."""
        self._line = None
        self._lines.close(within_s)
        self.is_open = False

    def _open(self, now: Moment) -> None:
        try:
            self._line = self._lines.open()
        except OSError as error:
            self._put_off(now, error)
            return
        if self._line is None:
            self._note_absence(now)
            return
        self._is_waiting = False
        self._absent_until = None
        self.starts += 1
        self._backoff.on_begun(now.boot)
        self._silent_until = now.after(self._silent_s_max)
        self._line.send(_encoder.encode(self._setup))

    def _put_off(self, now: Moment, error: OSError) -> None:
        """Try again in a moment: descriptors or processes have run out, or a stranger came."""
        self.problem = f"there is no line to an enrolment process: {error}"
        self._log.report("error", "enrol.start", self.problem)
        self._is_waiting = False
        self._backoff.on_failed(now.boot)

    def _note_absence(self, now: Moment) -> None:
        """Tell it when nobody has connected for a while."""
        self._is_waiting = True
        if self._absent_until is None:
            self._absent_until = now.after(ABSENT_S_MAX)
        elif now.boot >= self._absent_until:
            self._absent_until = FOREVER
            self.problem = self._lines.absent
            self._log.report("error", "enrol.absent", self.problem)

    def _end(self, now: Moment) -> None:
        """Give the line up and set the time of the next."""
        self._line = None
        self.problem = self._lines.end()
        self._rejected_before = self.rejected
        self._rejected_now = {}
        self.is_open = False
        self.connections = 0
        self._backoff.on_ended(now.boot)
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
                    self._bind_trouble_since = self._backoff.began_at
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
