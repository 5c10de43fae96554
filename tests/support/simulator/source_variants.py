# ruff: noqa: ANN401 - stand-ins take whatever the methods in whose place they stand take
"""The transfer of files, broken in one way each, at either end."""

from typing import Any

from msgspec.structs import replace

from limpet.common.clock import FOREVER, Moment
from limpet.common.messages.sources import Offer, Piece
from limpet.master.files import requests
from limpet.master.files.reads import PieceRead
from limpet.minion.control.messages import AskSource, PullSource
from limpet.minion.files.requests import FileRequests
from support.simulator.breaking import Change, variant


@variant()
def questions_not_put_again_after_reconnect() -> list[Change]:
    """What was open when the link was lost is forgotten by it, and waited for by its job."""

    def on_line(sources: FileRequests, _now: Moment, line: Any) -> None:
        if line is not sources._line:
            sources._line, sources._pulling = line, None
            for waiting in sources._waiting.values():
                waiting.again = FOREVER

    return [(FileRequests, "on_line", on_line)]


@variant()
def lost_answer_never_asked_for_again() -> list[Change]:
    """An answer that got lost within a session is waited for until the job loses patience."""
    plain = FileRequests._put

    def put(sources: FileRequests, now: Moment, waiting: Any) -> None:
        plain(sources, now, waiting)
        if waiting.again != FOREVER:
            waiting.again = now.after(1e9)

    return [(FileRequests, "_put", put)]


@variant()
def two_pieces_outstanding() -> list[Change]:
    """Every job that pulls has a piece under way, and beats wait behind them all."""

    def pull_next(sources: FileRequests, now: Moment) -> None:
        for waiting in sources._waiting.values():
            if isinstance(waiting.question, PullSource) and not waiting.is_put:
                sources._put(now, waiting)

    return [(FileRequests, "_pull_next", pull_next)]


@variant(within=1200)
def answers_to_other_questions_heeded() -> list[Change]:
    """Whatever comes is taken for the answer to the oldest question of its kind."""
    plain = FileRequests.on_message

    def on_message(sources: FileRequests, now: Moment, message: Offer | Piece) -> None:
        kind = AskSource if isinstance(message, Offer) else PullSource
        for waiting in sources._waiting.values():
            if isinstance(waiting.question, kind):
                changed: Any = {"request": waiting.number}
                if isinstance(waiting.question, PullSource):
                    changed["offset"] = waiting.question.offset
                message = replace(message, **changed)
                break
        plain(sources, now, message)

    return [(FileRequests, "on_message", on_message)]


@variant()
def change_of_a_file_not_told() -> list[Change]:
    """The master gives a piece of whatever lies there now, be it another file."""
    plain = requests._answer

    def answer(turn: Any, asked: Any, result: Any) -> Offer | Piece:
        if isinstance(result, PieceRead) and result.problem:
            result = PieceRead(b"of another file")
        return plain(turn, asked, result)

    return [(requests, "_answer", answer)]
