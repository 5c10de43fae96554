"""The master's end of the line to an enrolment process, turned by a test; and new minions."""

import time
from collections.abc import Callable
from pathlib import Path

from limpet.common.clock import SystemClock
from limpet.common.crypto.keys import encode_base32
from limpet.common.messages.enrolment import EnrolAnswer
from limpet.common.observability.logs import Level, Log
from limpet.common.transport.sockets import make_keypair
from limpet.common.wire.codec import encode
from limpet.master.enrolment.io.launchers import Launcher
from limpet.master.enrolment.io.supervisor import Enrolling, EnrolmentSupervisor
from support.fakes.hand_minion import HandMinion, receive_within, wait_ready


class EnrolmentMaster:
    """The master's side: it answers everything with `pending` while it is turned."""

    def __init__(
        self,
        root: Path,
        *,
        silent_s_max: float = 30.0,
        lines: Launcher | None = None,
        port: int = 0,
    ) -> None:
        self.public, self.secret = make_keypair()
        root.mkdir(exist_ok=True)
        (root / "master.public").write_text(encode_base32(self.public))
        self.link = EnrolmentSupervisor(
            secret_key=self.secret,
            addresses=("127.0.0.1",),
            port=port,
            log=Log(level=Level.QUIET),
            lines=lines,
            silent_s_max=silent_s_max,
        )
        self.asked: list[Enrolling] = []
        self.is_answering = True

    def turn(self) -> None:
        for question in self.link.collect(SystemClock().now()):
            self.asked.append(question)
            if self.is_answering:
                nonce = question.request.nonce
                answer = EnrolAnswer(nonce, "pending", 15_000_000, "wait")
                self.link.answer(question.handle, answer)

    def turn_until(self, is_done: Callable[[], bool], within_s: float = 20.0) -> float:
        began = time.monotonic()
        while not is_done():
            assert time.monotonic() - began < within_s, "it did not come to that"
            self.turn()
            time.sleep(0.002)
        return time.monotonic() - began

    def turn_for(self, seconds: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.turn()
            time.sleep(0.002)


class Visit:
    """One connection of a new minion to the enrolment port."""

    def __init__(self, master: EnrolmentMaster, minion: HandMinion) -> None:
        self.master = master
        self.minion = minion
        self.dealer = minion.dial(master.link.port, is_enrolling=True)
        self.is_over = False
        assert wait_ready(self.dealer, 10.0)

    def ask(self, frame: bytes | None = None) -> None:
        assert self.dealer.send(encode(self.minion.enrol_request()) if frame is None else frame)

    def answer(self, within_s: float = 5.0) -> bytes | None:
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            self.master.turn()
            frame = receive_within(self.dealer, 0.01)
            if frame is not None:
                return frame
        return None

    def is_cut(self, within_s: float) -> bool:
        end = time.monotonic() + within_s
        while time.monotonic() < end and not self.is_over:
            self.master.turn()
            self.is_over = "disconnected" in self.dealer.events()
            time.sleep(0.005)
        return self.is_over
