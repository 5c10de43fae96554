"""A job's questions to the master through the link: bounded, and put again to a new link."""

import os
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
import pytest

from limpet.common.clock import SystemClock
from limpet.common.errors import HostError
from limpet.minion.control import server as local_server
from limpet.minion.control.files_client import SourcesOfMaster
from limpet.minion.control.messages import (
    AnyLocalReply,
    AnyLocalRequest,
    AskSource,
    LocalPiece,
    LocalRefused,
    LocalServed,
    PullSource,
)
from limpet.minion.control.server import LocalRequest, LocalServer
from limpet.states.ports.served import Question, Served, SourceChanged

FILE = Question("file", "base", "web/init.sls")
BIG = Served(True, "ab" * 32, 1000)
SERVED = LocalServed(True, "ab" * 32, 3, msgspec.msgpack.encode({"mode": 0o644}), b"abc", True)
Answer = Callable[[AnyLocalRequest], AnyLocalReply | None]


class Link:
    """The link's end of the socket, in a thread; answers as it is told, or not at all."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.asked: list[AnyLocalRequest] = []
        self.answer: Answer = lambda _: SERVED
        self._is_over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def start(self) -> None:
        self._is_over.clear()
        self._thread = threading.Thread(target=self._run)
        server = LocalServer(self.path)
        self._server = server
        self._thread.start()

    def stop(self) -> None:
        """Go away, as a link that is killed does."""
        self._is_over.set()
        self._thread.join()

    def _run(self) -> None:
        clock = SystemClock()
        while not self._is_over.wait(0.002):
            for event in self._server.collect(clock.now()):
                if isinstance(event, LocalRequest):
                    self.asked.append(event.request)
                    reply = self.answer(event.request)
                    if reply is not None:
                        self._server.answer(event.client, reply)
        self._server.close()


@pytest.fixture
def link(tmp_path: Path) -> Iterator[Link]:
    made = Link(tmp_path / "minion.sock")
    made.start()
    yield made
    made.stop()


@pytest.fixture
def sources(link: Link) -> Iterator[SourcesOfMaster]:
    made = SourcesOfMaster(link.path, question_s=5.0)
    yield made
    made.close()


def test_what_the_master_has_is_told(link: Link, sources: SourcesOfMaster) -> None:
    assert sources.ask(FILE, known="cd" * 32) == Served(True, "ab" * 32, 3, {"mode": 0o644}, b"abc")
    assert link.asked == [AskSource("file", "base", "web/init.sls", b"", "cd" * 32)]
    link.answer = lambda _: LocalServed(False, "", 0, b"", b"", False)
    assert sources.ask(FILE) == Served(False)


def test_arguments_of_pillar_travel(link: Link, sources: SourcesOfMaster) -> None:
    sources.ask(Question("pillar", arguments={"grains": {"os": "Debian"}}))
    (asked,) = link.asked
    assert isinstance(asked, AskSource)
    assert msgspec.msgpack.decode(asked.arguments) == {"grains": {"os": "Debian"}}


def test_a_piece_comes_and_a_change_is_an_error_of_its_own(
    link: Link, sources: SourcesOfMaster
) -> None:
    link.answer = lambda _: LocalPiece(7, b"data", False)
    assert sources.pull(FILE, BIG, 7) == b"data"
    assert link.asked == [PullSource("file", "base", "web/init.sls", "ab" * 32, 7)]
    link.answer = lambda _: LocalPiece(7, b"", True)
    with pytest.raises(SourceChanged, match=r"salt://web/init.sls \(base\) was changed"):
        sources.pull(FILE, BIG, 7)
    link.answer = lambda _: LocalPiece(0, b"data", False)
    with pytest.raises(HostError, match="another piece than asked for"):
        sources.pull(FILE, BIG, 7)


def test_a_refusal_names_what_was_asked_for(link: Link, sources: SourcesOfMaster) -> None:
    link.answer = lambda _: LocalRefused("failed", "no answer from the master for 120 s")
    with pytest.raises(HostError, match=r"^salt://web/init.sls \(base\): no answer from the mas"):
        sources.ask(FILE)
    link.answer = lambda _: LocalRefused("failed", "salt://web/init.sls (base): too large")
    with pytest.raises(HostError, match=r"^salt://web/init.sls \(base\): too large$"):
        sources.ask(FILE)
    assert len(link.asked) == 2, "what is final is not asked again"


def test_a_link_that_is_busy_is_asked_again(link: Link, sources: SourcesOfMaster) -> None:
    answers: list[AnyLocalReply] = [LocalRefused("busy", "too many"), SERVED]
    link.answer = lambda _: answers.pop(0)
    assert sources.ask(FILE).is_found


def test_a_link_that_is_restarted_is_asked_again(link: Link, sources: SourcesOfMaster) -> None:
    link.answer = lambda _: None
    restarting = threading.Timer(0.2, _restart, (link,))
    restarting.start()
    assert sources.ask(FILE).is_found
    assert len(link.asked) == 2
    restarting.join()


def _restart(link: Link) -> None:
    link.stop()
    link.answer = lambda _: SERVED
    link.start()


def test_a_link_that_does_not_come_back_is_told(link: Link, tmp_path: Path) -> None:
    link.answer = lambda _: None
    sources = SourcesOfMaster(link.path, question_s=1.2)
    with pytest.raises(HostError, match=r"salt://web/init.sls \(base\): .* no answer in time"):
        sources.ask(FILE)
    away = SourcesOfMaster(tmp_path / "nobody.sock", question_s=0.5)
    with pytest.raises(HostError, match="is the minion running"):
        away.ask(FILE)


def test_a_connection_that_was_closed_for_idleness_is_opened_anew(
    link: Link, sources: SourcesOfMaster, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(local_server, "REQUEST_S", 0.05)
    for _ in range(3):
        assert sources.ask(FILE).is_found
        threading.Event().wait(0.2)
    assert len(link.asked) == 3


def test_a_forked_process_has_a_connection_of_its_own(link: Link, sources: SourcesOfMaster) -> None:
    assert sources.ask(FILE).is_found
    pid = os.fork()
    if pid == 0:
        try:
            is_found = all(sources.ask(FILE).is_found for _ in range(20))
            os._exit(0 if is_found else 1)
        finally:
            os._exit(2)
    assert all(sources.ask(FILE).is_found for _ in range(20))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0


@pytest.mark.parametrize(
    "question, told",
    [
        (Question("file", "base", os.fsdecode(b"\xff")), "is not UTF-8"),
        (Question("pillar", arguments={"x": object()}), "can't be sent to the master"),
        (Question("pillar", arguments={"x": "x" * 200_000}), "its arguments have 200"),
        (Question("file", "base", "x" * 2000), "not a request"),
    ],
)
def test_what_can_not_be_asked_is_told(
    sources: SourcesOfMaster, question: Question, told: str
) -> None:
    with pytest.raises(HostError, match=told):
        sources.ask(question)
