"""Where the master's line to its enrolment process comes from.

    OwnProcess   the master starts the process itself and ends it: in the foreground, with --root
    Service      a process that somebody else runs (limpet-enrol.service) connects to `enrol.sock`

What is said on the line is the same, and so is the watch over it: see `supervisor.py`.
"""

import contextlib
import grp
import os
import pwd
import socket
from pathlib import Path
from typing import Final, Protocol

from limpet.common.control.framing import FramedSocket
from limpet.master.control.listener import open_socket
from limpet.master.control.peer_credentials import caller_of
from limpet.master.enrolment.io.messages import LINE_BYTES_MAX, LINE_QUEUE_BYTES_MAX
from limpet.master.process.helper_process import HelperProcess

SOCKET_NAME: Final = "enrol.sock"
"""In the master's run directory."""
SERVICE_USER: Final = "limpet-enrol"
"""Whom `limpet-enrol.service` runs as; its group of the same name may connect."""
SERVICE_UNIT: Final = "limpet-enrol.service"
BACKLOG: Final = 4
"""One is served; the others are its successors."""


class Pollable(Protocol):
    """Something to wait for."""

    def fileno(self) -> int:
        """Give the descriptor."""

    @property
    def wants_write(self) -> bool:
        """Whether to wait for room to write, too."""


class Launcher(Protocol):
    """Gives one line at a time."""

    is_own: bool
    """Whether a port that can't be opened is for whoever started the master to put right."""
    absent: str
    """What to tell while nobody is connected; empty: there is always one, or an error."""

    @property
    def doorway(self) -> Pollable | None:
        """What gets readable when `open` would find a line; None: there is nothing to wait for."""

    @property
    def pid(self) -> int:
        """The process at the other end of the present line; 0: none, or not known."""

    def open(self) -> FramedSocket | None:
        """Give the next line; None: nobody is there. Raises `OSError`."""

    def end(self) -> str:
        """Close the present line and say how its process ended, as far as that is known."""

    def close(self, within_s: float) -> None:
        """Close everything, the process included where it is the master's own."""


class OwnProcess:
    """The process is the master's child, on a socket pair."""

    is_own = True
    absent = ""
    doorway = None

    def __init__(self) -> None:
        self._process: HelperProcess | None = None

    @property
    def pid(self) -> int:
        """The child that runs now; 0: none."""
        return 0 if self._process is None else self._process.pid

    def open(self) -> FramedSocket:
        """Start the process. Raises `OSError` where descriptors or processes have run out."""
        assert self._process is None
        self._process = HelperProcess(
            "limpet.master.enrolment.io.process",
            read_bytes_max=LINE_BYTES_MAX,
            write_bytes_max=LINE_BYTES_MAX,
            queue_bytes_max=LINE_QUEUE_BYTES_MAX,
        )
        return self._process.line

    def end(self) -> str:
        """Kill and reap the process."""
        assert self._process is not None
        code = self._process.end()
        self._process = None
        return f"the enrolment process ended (status {code}) and is started again"

    def close(self, within_s: float) -> None:
        """End the process, which does so by itself if it can."""
        if self._process is not None:
            self._process.close(within_s)
            self._process = None


class Service:
    """The process is a service of its own and connects to a socket of the master's."""

    is_own = False
    absent = (
        f"no enrolment process is connected, so no new minion can ask: "
        f"`systemctl start {SERVICE_UNIT}`; why it does not run: `systemctl status {SERVICE_UNIT}`"
    )

    def __init__(self, path: Path, *, user: str = SERVICE_USER) -> None:
        """Take note of the place; `open` listens there.

        `user` may connect besides root and this process's own, if there is such a user.
        """
        self._path = path
        self._user = user
        self._uids = {0, os.geteuid()}
        self._gid = -1
        with contextlib.suppress(KeyError):  # once, at the start: the user database may be slow
            self._uids.add(pwd.getpwnam(user).pw_uid)
            self._gid = grp.getgrnam(user).gr_gid
        self._doorway: _Doorway | None = None
        self._line: FramedSocket | None = None

    @property
    def doorway(self) -> Pollable | None:
        """The listening socket."""
        return self._doorway

    @property
    def pid(self) -> int:
        """Not known: the service manager's business."""
        return 0

    def open(self) -> FramedSocket | None:
        """Take the next connection, if one waits. Raises `OSError`."""
        assert self._line is None
        if self._doorway is None:
            self._doorway = _Doorway(open_socket(self._path, gid=self._gid, backlog=BACKLOG))
        try:
            connection, _ = self._doorway.listener.accept()
        except BlockingIOError:
            return None
        try:
            uid = caller_of(connection).uid
            if uid not in self._uids:
                raise PermissionError(
                    f"{self._path}: the user {uid} connected, who is neither root nor {self._user} "
                    "(as known when the master started)"
                )
        except OSError:
            connection.close()
            raise
        self._line = FramedSocket(
            connection,
            read_bytes_max=LINE_BYTES_MAX,
            write_bytes_max=LINE_BYTES_MAX,
            queue_bytes_max=LINE_QUEUE_BYTES_MAX,
        )
        return self._line

    def end(self) -> str:
        """Close the line: the process hears it, and connects again or is started again."""
        assert self._line is not None
        why = self._line.why_closed
        self._line.close()
        self._line = None
        return f"the enrolment process is not connected any more ({why}) and is waited for"

    def close(self, within_s: float) -> None:
        """Close line and socket, and take the socket away; nothing is waited for."""
        if self._line is not None:
            self._line.close()
            self._line = None
        if self._doorway is not None:
            self._doorway.listener.close()
            self._doorway = None
            self._path.unlink(missing_ok=True)


class _Doorway:
    """A listening socket to poll."""

    wants_write = False

    def __init__(self, listener: socket.socket) -> None:
        self.listener = listener

    def fileno(self) -> int:
        return self.listener.fileno()
