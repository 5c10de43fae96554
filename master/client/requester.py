"""Asking the master one question, again where the line was cut, and keeping the line for the next.

What can be asked, and what comes of it, is in the files beside this one.
"""

from __future__ import annotations

import time
from typing import Final, Self, TypeVar

from limpet.common.control.replies import Remark
from limpet.common.control.requests import Request
from limpet.common.errors import MasterUnreachable, Stalled
from limpet.common.service.paths import Roots
from limpet.master.client.errors import ConnectionLost, raise_refusal, unexpected
from limpet.master.client.retrying_connection import Notice, RetryingConnection

PATIENCE_S: Final = 120.0
FIRST_PATIENCE_S: Final = 4.0
ANSWER_S: Final = 15.0
"""How long the master may take for what it answers at once, before it is asked again."""

R = TypeVar("R")


def _say_nothing(text: str) -> None:
    """Drop a notice."""


class Requester:
    """At most one line that is idle, and what is asked over it."""

    def __init__(
        self,
        root: str | None = None,
        *,
        patience_s: float = PATIENCE_S,
        first_patience_s: float = FIRST_PATIENCE_S,
        on_notice: Notice | None = None,
    ) -> None:
        """Prepare; nothing is opened yet.

        `root` is what `--root` is on the command line; None: `$LIMPET_ROOT`, else the system's
        places. `on_notice` is told in a line when the master is away and when it is back.
        """
        self._path = Roots.locate("master", root).socket_path
        self._patience_s = patience_s
        self._first_patience_s = first_patience_s
        self._on_notice = _say_nothing if on_notice is None else on_notice
        self._idle: RetryingConnection | None = None
        self._was_reached = False

    def close(self) -> None:
        """Close the connection that is kept. The client may be used again after it."""
        if self._idle is not None:
            self._idle.close()
            self._idle = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _take_line(self) -> RetryingConnection:
        line, self._idle = self._idle, None
        if line is None:
            line = RetryingConnection(
                self._path,
                first_patience_s=self._first_patience_s,
                patience_s=self._patience_s,
                on_notice=self._on_notice,
                was_reached=self._was_reached,
            )
        return line

    def _give_back(self, line: RetryingConnection) -> None:
        self._was_reached |= line.was_reached
        if self._idle is None:
            self._idle = line
        else:
            line.close()

    def _ask(self, request: Request, expected: type[R], *, is_repeatable: bool = True) -> R:
        """Ask a question that is answered by one reply."""
        began = time.monotonic()
        deadline = began + max(ANSWER_S, self._patience_s)
        line = self._take_line()
        is_sent = False
        try:
            while time.monotonic() < deadline:
                try:
                    if not line.open(deadline):
                        continue
                    is_sent = True
                    line.ask(request)
                    reply = line.receive(min(deadline, time.monotonic() + ANSWER_S))
                    while isinstance(reply, Remark):  # the answer takes a while, and is on its way
                        line.on_notice(reply.text)
                        deadline = max(deadline, time.monotonic() + ANSWER_S)
                        reply = line.receive(min(deadline, time.monotonic() + ANSWER_S))
                    if reply is None:
                        raise ConnectionLost("the master does not answer", is_silence=True)
                    raise_refusal(reply)
                except ConnectionLost as lost:
                    if is_sent and not is_repeatable:
                        raise MasterUnreachable(
                            f"{lost}; whether it was done is not known: look before asking again"
                        ) from lost
                    line.on_lost(lost)
                    continue
                line.on_answered()
                if not isinstance(reply, expected):
                    raise unexpected(reply)
                self._give_back(line)
                return reply
        except BaseException:
            line.close()
            raise
        line.close()
        raise Stalled("the master's answer", time.monotonic() - began)
