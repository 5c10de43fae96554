"""The minion's unit and what runs in it: restarted, asked, looked at.

The minion itself is asked on its Unix socket, as `limpet call` does; the kernel says which process
answers, and that process's file which version it is. Everything has a deadline of seconds.
"""

import os
import signal
import socket
import threading
import time
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import Final, NamedTuple

from limpet.common.control.framing import REQUEST_BYTES_MAX, FrameReader, frame
from limpet.common.errors import HostError, PeerError
from limpet.minion.control.connections import connect, peer_of
from limpet.minion.control.messages import (
    LOCAL_REPLY_BYTES_MAX,
    AnyLocalReply,
    AskLocalStatus,
    LocalStatus,
)
from limpet.minion.upgrading.io import programs
from limpet.minion.upgrading.io.layout import Installation
from limpet.minion.upgrading.upgrade import Sight

UNIT: Final = "limpet-minion.service"
ASK_S: Final = 2.0
SHOW_S_MAX: Final = 10.0
REACH_S: Final = 5.0
"""For a connection to the master's port."""
REACH_AGAIN_S: Final = 3.0
"""Between two looks whether the master can be reached."""


class Answer(NamedTuple):
    """What the running minion says."""

    pid: int
    status: LocalStatus


class Unit:
    """The unit of the minion on this host."""

    def __init__(
        self,
        socket_path: Path,
        places: Sequence[tuple[str, int]],
        installation: Installation,
        *,
        run: programs.Run = programs.run,
    ) -> None:
        """`places`: host and port of the master, as configured; none: nobody to be reached."""
        self._socket_path = socket_path
        self._installation = installation
        self._run = run
        self._reach = Reach(places)

    def is_active(self) -> bool:
        """Say whether the unit runs. Raises `HostError` where no service manager answers."""
        return self._run(["systemctl", "is-active", "--quiet", UNIT], {}, SHOW_S_MAX).code == 0

    def restart(self, limit_s: float, *, is_forced: bool) -> str:
        """Order a restart; empty, or what went wrong. `is_forced`: kill what runs, first."""
        try:
            if is_forced:
                self._kill()
            words = ["systemctl", "restart", "--no-block", UNIT]
            ran = self._run(words, {}, limit_s)
        except HostError as error:
            return str(error)
        if ran.is_late:
            return f"systemctl did not answer within {limit_s:g} s"
        return "" if ran.code == 0 else f"systemctl failed ({ran.code}): {ran.last_lines}"

    def look(self) -> Sight:
        """Say how the minion is now."""
        facts = self._facts()
        answer = ask(self._socket_path)
        if answer is None:
            return Sight(
                ends=_number(facts, "NRestarts"),
                detail=_detail(facts),
                failure=_failure(facts),
            )
        status = answer.status
        is_ready = status.state == "READY"
        return Sight(
            directory=self._installation.running(answer.pid),
            state=status.state,
            process=(answer.pid, status.since_wall_s),
            ends=_number(facts, "NRestarts"),
            detail=_detail(facts),
            failure=_failure(facts),
            is_master_reachable=is_ready or self._reach.look(),
        )

    def _facts(self) -> dict[str, str]:
        names = "ActiveState,SubState,NRestarts,MainPID,Result,ExecMainCode,ExecMainStatus"
        try:
            ran = self._run(["systemctl", "show", f"--property={names}", UNIT], {}, SHOW_S_MAX)
        except HostError:
            return {}
        pairs = (line.partition("=") for line in ran.output.splitlines())
        return {name: value for name, _, value in pairs}

    def _kill(self) -> None:
        """Kill the main process alone: jobs have scopes of their own."""
        pid = _number(self._facts(), "MainPID")
        if pid > 1:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)


def ask(path: Path) -> Answer | None:
    """Ask the running minion how it is; None: nobody answers there in time."""
    try:
        connection = connect(path, ASK_S)
    except HostError:
        return None
    with connection:
        try:
            pid = peer_of(connection).pid
            status = _status(connection)
        except (OSError, PeerError, HostError, ValueError):
            return None
    return None if status is None else Answer(pid, status)


def _status(connection: socket.socket) -> LocalStatus | None:
    import msgspec

    connection.sendall(frame(msgspec.msgpack.encode(AskLocalStatus()), bytes_max=REQUEST_BYTES_MAX))
    reader = FrameReader(LOCAL_REPLY_BYTES_MAX)
    end = time.monotonic() + ASK_S
    while time.monotonic() < end:
        data = connection.recv(64 * 1024)
        if not data:
            return None
        for payload in reader.feed(data):
            reply: AnyLocalReply = msgspec.msgpack.decode(payload, type=AnyLocalReply)
            return reply if isinstance(reply, LocalStatus) else None
    return None


class Reach:
    """Whether the master's port takes connections, looked at by a thread: names may not resolve."""

    def __init__(self, places: Sequence[tuple[str, int]]) -> None:
        self._places = tuple(places)
        self._thread: threading.Thread | None = None
        self._began = float("-inf")
        self._is_reachable = True

    def look(self) -> bool:
        """Give what is known now, and have it looked at again. A look without an end is a no."""
        if not self._places:
            return True
        now = time.monotonic()
        is_under_way = self._thread is not None and self._thread.is_alive()
        if is_under_way and now - self._began > REACH_S + 1.0:
            return False
        if not is_under_way and now - self._began >= REACH_AGAIN_S:
            self._began = now
            self._thread = threading.Thread(target=self._try, name="reach", daemon=True)
            self._thread.start()
        return self._is_reachable

    def _try(self) -> None:
        share_s = REACH_S / len(self._places)
        self._is_reachable = any(_takes(place, share_s) for place in self._places)


def _takes(place: tuple[str, int], wait_s: float) -> bool:
    try:
        socket.create_connection(place, wait_s).close()
    except (OSError, UnicodeError):
        return False
    return True


def _number(facts: dict[str, str], name: str) -> int:
    text = facts.get(name, "")
    return int(text) if text.isascii() and text.isdigit() else 0


def _detail(facts: dict[str, str]) -> str:
    if not facts.get("ActiveState"):
        return ""
    return f"the unit is {facts['ActiveState']} ({facts.get('SubState', '')})"


def _failure(facts: dict[str, str]) -> str:
    result = facts.get("Result", "success")
    return "" if result == "success" else f"{result}, status {facts.get('ExecMainStatus', '')}"
