"""Questions of jobs on the link: put, put again, answered, given up; one piece at a time."""

import msgspec
import pytest

from limpet.common.messages.fields import Message
from limpet.common.messages.session import Beat
from limpet.common.messages.sources import (
    PIECE_BYTES_MAX,
    SOURCE_INLINE_BYTES_MAX,
    Ask,
    Offer,
    Piece,
    Pull,
)
from limpet.minion.control.messages import AskSource, LocalPiece, LocalServed, PullSource
from limpet.minion.core.effects import LocalRefused, LocalReply
from limpet.minion.sessions.states import State
from support.minion.minion_bench import Bench, accepted_journal

DIGEST = "ab" * 32


class AskingBench(Bench):
    """A bench with jobs that ask."""

    def ask(self, client: int, name: str = "top.sls", kind: str = "file") -> None:
        question = AskSource(kind, "base", name, b"", "")  # type: ignore[arg-type]
        self.take(self.core.on_local_question(self.now, client, question))

    def pull(self, client: int, offset: int = 0) -> None:
        question = PullSource("file", "base", "big", DIGEST, offset)
        self.take(self.core.on_local_question(self.now, client, question))

    def offer(self, ask: Ask | None = None, **changes: object) -> None:
        ask = self.last(Ask) if ask is None else ask
        offer = Offer(self.session, ask.request, True, DIGEST, 3, b"", b"abc", True, "")
        self.hear(msgspec.structs.replace(offer, **changes))

    def piece(self, pull: Pull | None = None, **changes: object) -> None:
        pull = self.last(Pull) if pull is None else pull
        piece = Piece(self.session, pull.request, pull.offset, b"x" * pull.size_max, "")
        self.hear(msgspec.structs.replace(piece, **changes))

    def replies(self, client: int) -> list[LocalServed | LocalPiece | str]:
        """Give what a client was told, refusals as their text."""
        told: list[LocalServed | LocalPiece | str] = []
        for effect in self.done:
            if isinstance(effect, LocalReply) and effect.client == client:
                told.append(effect.reply)
            if isinstance(effect, LocalRefused) and effect.client == client:
                told.append(f"{effect.reason}: {effect.text}")
        return told

    def live(self, seconds: float) -> None:
        """Let time pass with a master that echoes beats."""
        for _ in range(int(seconds)):
            self.advance(1)
            self.echo()


@pytest.fixture
def bench() -> AskingBench:
    made = AskingBench(accepted_journal())
    made.ready()
    return made


def test_a_question_is_put_at_once_and_its_answer_passed_on(bench: AskingBench) -> None:
    bench.ask(1)
    assert (bench.last(Ask).name, bench.last(Ask).session) == ("top.sls", bench.session)
    bench.offer()
    assert bench.replies(1) == [LocalServed(True, DIGEST, 3, b"", b"abc", True)]
    assert len(bench.core.files) == 0
    bench.offer()  # once more: late, or repeated
    assert len(bench.replies(1)) == 1


def test_a_question_without_a_link_waits_for_it() -> None:
    bench = AskingBench(accepted_journal())
    bench.start()
    bench.ask(1)
    bench.pull(2)
    assert bench.sent(Ask) == []
    bench.connect()
    bench.hear(bench.welcome())
    assert bench.sent(Ask) == [], "not before SYNC is done"
    bench.answer_sync()
    assert len(bench.sent(Ask)) == len(bench.sent(Pull)) == 1


@pytest.mark.covers("F12")
def test_after_a_loss_all_that_is_open_is_put_again_in_the_new_session(bench: AskingBench) -> None:
    bench.ask(1)
    bench.pull(2, 4000)
    old = bench.session
    bench.link("disconnected")
    bench.come_back()
    assert [ask.session for ask in bench.sent(Ask)] == [old, bench.session]
    assert [pull.session for pull in bench.sent(Pull)] == [old, bench.session]
    assert bench.last(Pull).offset == 4000
    bench.piece(session=old)
    bench.offer(session=old)
    assert bench.replies(1) == bench.replies(2) == []
    bench.piece()
    bench.offer()
    assert len(bench.replies(1)) == len(bench.replies(2)) == 1


def test_a_lost_answer_is_asked_for_again_with_the_same_number(bench: AskingBench) -> None:
    bench.ask(1)
    bench.pull(2)
    bench.live(14)
    assert len(bench.sent(Ask)) == len(bench.sent(Pull)) == 1
    bench.live(7)
    asks, pulls = bench.sent(Ask), bench.sent(Pull)
    assert [ask.request for ask in asks] == [asks[0].request] * 2
    assert [pull.request for pull in pulls] == [pulls[0].request] * 2


@pytest.mark.covers("E17")
def test_a_busy_master_is_asked_again_a_second_later_and_then_ever_more_seldom(
    bench: AskingBench,
) -> None:
    bench.ask(1)
    for asks, pause in enumerate((1, 2, 4, 8, 15, 15), 1):
        assert len(bench.sent(Ask)) == asks
        bench.offer(is_found=False, total=0, body=b"", has_body=False, problem="busy")
        bench.live(pause - 1)
        assert len(bench.sent(Ask)) == asks
        bench.live(2)
    assert bench.replies(1) == []


@pytest.mark.covers("E17")
def test_who_is_in_line_waits_on_and_asks_again_now_and_then(bench: AskingBench) -> None:
    bench.ask(1)
    for _ in range(20):
        bench.live(16)
        bench.offer(is_found=False, total=500, body=b"", has_body=False, problem="busy")
    assert bench.replies(1) == []
    assert 18 <= len(bench.sent(Ask)) <= 22
    bench.offer()
    assert bench.replies(1) == [LocalServed(True, DIGEST, 3, b"", b"abc", True)]


def test_half_an_hour_in_line_is_enough(bench: AskingBench) -> None:
    bench.ask(1)
    for _ in range(113):
        bench.live(16)
        bench.offer(is_found=False, total=500, body=b"", has_body=False, problem="busy")
    assert bench.replies(1) == ["failed: the master had this wait for 30 minutes: see its log"]


def test_two_minutes_without_an_answer_are_told(bench: AskingBench) -> None:
    bench.ask(1)
    bench.live(121)
    (told,) = bench.replies(1)
    assert isinstance(told, str)
    assert "no answer from the master for 120 s; the link to it is up" in told
    bench.link("disconnected")
    bench.ask(2)
    bench.advance_to(State.CONNECTING)
    bench.advance(121)
    (told,) = bench.replies(2)
    assert isinstance(told, str)
    assert "there is no link to it now" in told
    assert len(bench.core.files) == 0


def test_what_the_master_says_against_a_question_is_passed_on(bench: AskingBench) -> None:
    bench.ask(1)
    bench.offer(is_found=False, body=b"", has_body=False, problem="salt://x: too large")
    assert bench.replies(1) == ["failed: salt://x: too large"]


def test_one_piece_is_outstanding_whoever_waits_and_each_has_its_turn(bench: AskingBench) -> None:
    for client in (1, 2, 3):
        bench.pull(client)
    for turn in (1, 2, 3):
        assert len(bench.sent(Pull)) == turn
        bench.piece()
    assert all(len(bench.replies(client)) == 1 for client in (1, 2, 3))


@pytest.mark.covers("F4")
def test_pieces_grow_on_a_fast_line_and_shrink_on_a_slow_one(bench: AskingBench) -> None:
    for _ in range(8):
        bench.pull(1)
        bench.advance(0.01)
        bench.piece()
    sizes = [pull.size_max for pull in bench.sent(Pull)]
    assert sizes == [16384 * 2**n for n in range(6)] + [PIECE_BYTES_MAX] * 2
    bench.pull(1)
    for _ in range(3):
        bench.advance(1)
        bench.echo()
    bench.piece()
    bench.pull(1)
    assert bench.last(Pull).size_max == PIECE_BYTES_MAX // 2


def test_beats_leave_in_time_while_a_piece_is_under_way(bench: AskingBench) -> None:
    bench.pull(1)
    before = len(bench.sent(Beat))
    bench.live(15)
    assert len(bench.sent(Beat)) - before >= 3


def test_bodies_that_come_with_answers_are_bounded_together(bench: AskingBench) -> None:
    for client in range(10):
        bench.ask(client, f"file-{client}")
    allowed = [ask.body_max for ask in bench.sent(Ask)]
    assert allowed == [16384, 16384, *[0] * 8]
    for ask in bench.sent(Ask):
        bench.offer(ask)
    bench.ask(1)
    assert bench.last(Ask).body_max == 16384
    bench.core.files.pace.bytes_max = PIECE_BYTES_MAX
    bench.ask(2)
    assert bench.last(Ask).body_max == SOURCE_INLINE_BYTES_MAX


def test_a_changed_body_is_told(bench: AskingBench) -> None:
    for problem in ("changed", "gone"):
        bench.pull(1)
        bench.piece(data=b"", problem=problem)
        assert bench.replies(1)[-1] == LocalPiece(0, b"", True)


def test_a_client_that_leaves_is_forgotten_but_its_piece_keeps_its_place(
    bench: AskingBench,
) -> None:
    bench.pull(1)
    bench.pull(2)
    bench.take(bench.core.on_local_gone(bench.now, 1))
    assert len(bench.sent(Pull)) == 1, "a piece is under way still"
    bench.piece()
    assert bench.replies(1) == []
    assert len(bench.sent(Pull)) == 2
    bench.take(bench.core.on_local_gone(bench.now, 2))
    bench.link("disconnected")
    assert len(bench.core.files) == 0


def test_the_piece_of_a_client_that_left_is_not_awaited_for_ever(bench: AskingBench) -> None:
    bench.pull(1)
    bench.pull(2)
    bench.take(bench.core.on_local_gone(bench.now, 1))
    bench.live(21)
    assert [pull.request for pull in bench.sent(Pull)] == [1, 2]


def test_no_more_questions_wait_than_may(bench: AskingBench) -> None:
    for client in range(65):
        bench.ask(client)
    (told,) = bench.replies(64)
    assert isinstance(told, str)
    assert told.startswith("busy: 64 questions")


def test_answers_that_make_no_sense_change_nothing(bench: AskingBench) -> None:
    bench.ask(1)
    bench.pull(2)
    ask, pull = bench.last(Ask), bench.last(Pull)
    senseless: list[Message] = [
        Piece(bench.session, ask.request, 0, b"x", ""),
        Offer(bench.session, pull.request, True, DIGEST, 3, b"", b"abc", True, ""),
        Piece(bench.session, pull.request, 7, b"x", ""),
        Piece(bench.session, 999, 0, b"x", ""),
        Offer(bench.session + 1, ask.request, True, DIGEST, 3, b"", b"abc", True, ""),
    ]
    for message in senseless:
        bench.hear(message)  # type: ignore[arg-type]
    assert bench.replies(1) == bench.replies(2) == []
    bench.hear(Piece(bench.session, pull.request, 0, b"", ""))
    assert bench.replies(2) == ["failed: the master sent an empty piece"]


def test_when_the_minion_ends_all_are_told(bench: AskingBench) -> None:
    bench.ask(1)
    bench.pull(2)
    bench.take(bench.core.on_stop(bench.now))
    bench.ask(3)
    for client in (1, 2, 3):
        assert bench.replies(client) == ["stopping: this minion is about to end"]
