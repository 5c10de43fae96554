"""A line to the master that is opened anew when it was cut, with patience and an end to it.

never reached   -> given up after `first_patience_s` (a few seconds: a restart may be going on)
reached once    -> given up when the master has stayed away for `patience_s`
"""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final

from limpet.common.control.packages import PackageReply
from limpet.common.control.replies import AnyReply, MasterStatus
from limpet.common.control.requests import AskStatus, Request
from limpet.common.errors import MasterUnreachable
from limpet.master.client.connection import Connection
from limpet.master.client.errors import ConnectionLost

BACKOFF_FIRST_S: Final = 0.02
BACKOFF_MAX_S: Final = 1.0
NOTICE_AFTER_S: Final = 0.5
"""A shorter absence of the master is not worth a word."""
PROBE_S: Final = 10.0

Notice = Callable[[str], None]


class RetryingConnection:
    """At most one connection, and what to do when it is lost."""

    def __init__(
        self,
        path: Path,
        *,
        first_patience_s: float,
        patience_s: float,
        on_notice: Notice,
        was_reached: bool = False,
    ) -> None:
        self._path = path
        self._patience_s = patience_s
        self._first_patience_s = first_patience_s
        self._on_notice = on_notice
        self._connection: Connection | None = None
        self._lost_at: float | None = None
        self._retry_at = 0.0
        self._backoff_s = BACKOFF_FIRST_S
        self._is_noticed = False
        self.trouble = ""
        """Why the last attempt failed."""
        self.was_reached = was_reached
        """Whether the master has ever taken a connection."""

    def open(self, deadline: float) -> bool:
        """Have a connection by `deadline`; False if there is none by then.

        Raises `ConnectionLost` for an attempt that failed (say so to `on_lost`), and
        `MasterUnreachable`.
        """
        if self._connection is not None:
            if self._connection.is_usable:
                return True
            self.close()
        wait_s = min(self._retry_at, deadline) - time.monotonic()
        if wait_s > 0:
            time.sleep(wait_s)
        if time.monotonic() < self._retry_at:
            return False
        self._connection = Connection(self._path)
        self.was_reached = True
        return True

    def ask(self, request: Request) -> None:
        """Send a request. Raises `ConnectionLost`."""
        assert self._connection is not None
        self._connection.send(request)

    def receive(self, deadline: float) -> AnyReply | PackageReply | None:
        """Give the next reply, or None at the deadline. Raises `ConnectionLost`."""
        assert self._connection is not None
        return self._connection.receive(deadline)

    @property
    def is_at_hand(self) -> bool:
        """Say whether a reply has been read that nobody has been given."""
        return self._connection is not None and self._connection.is_at_hand

    def on_notice(self, text: str) -> None:
        """Pass on what the master wants the person to know."""
        self._on_notice(text)

    def on_answered(self) -> None:
        """Take note that the master is there."""
        if self._is_noticed:
            self._on_notice("the master is back")
        self._lost_at = None
        self._backoff_s = BACKOFF_FIRST_S
        self._is_noticed = False

    def on_lost(self, lost: ConnectionLost, goes_on: str = "") -> None:
        """Drop the connection and set the time of the next attempt.

        Raises `MasterUnreachable` when patience is at its end; `goes_on` says what becomes of the
        work that was asked for.
        """
        self.close()
        why = self.trouble = str(lost)
        now = time.monotonic()
        if self._lost_at is None:
            self._lost_at = now
        away_s = now - self._lost_at
        patience_s = self._patience_s if self.was_reached else self._first_patience_s
        if away_s >= patience_s:
            told = f"{why} (tried for {away_s:.0f} s)" if away_s >= 1 else why
            raise MasterUnreachable(f"{told}; {goes_on}" if goes_on and self.was_reached else told)
        is_worth_a_word = lost.is_silence or (away_s >= NOTICE_AFTER_S and self.was_reached)
        if is_worth_a_word and not self._is_noticed:
            self._is_noticed = True
            self._on_notice(f"{why}; trying again for {patience_s:.0f} s")
        self._retry_at = min(now + self._backoff_s, self._lost_at + patience_s)
        self._backoff_s = min(self._backoff_s * 2, BACKOFF_MAX_S)

    def probe(self) -> None:
        """Ask on a connection of its own whether the master is alive. Raises `ConnectionLost`."""
        extra = Connection(self._path)
        try:
            extra.send(AskStatus())
            reply = extra.receive(time.monotonic() + PROBE_S)
        finally:
            extra.close()
        if not isinstance(reply, MasterStatus):
            raise ConnectionLost("the master does not answer", is_silence=True)

    def close(self) -> None:
        """Close the connection, if there is one."""
        if self._connection is not None:
            self._connection.close()
            self._connection = None
