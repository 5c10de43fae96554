"""Calls to systemd's manager over its private socket, each with a deadline.

    connect ─▶ AUTH EXTERNAL, BEGIN ─▶ OK ─▶ method call ─▶ answer | error ─▶ (the line is closed)

The socket (`/run/systemd/private`) is there for root on every host that systemd runs, with a bus
daemon or without one; a line to it needs no greeting beyond the authentication.
"""

import os
import select
import socket
import time
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Final, Self

from limpet.common.errors import HostError
from limpet.common.service.systemd import wire
from limpet.common.service.systemd.wire import Interface, Message, WireError

PRIVATE_SOCKET: Final = "/run/systemd/private"
LIMIT_S: Final = 2.0
"""For a call with all that belongs to it. systemd answers in milliseconds unless it is busy."""
UNIT_EXISTS: Final = "org.freedesktop.systemd1.UnitExists"

_MANAGER: Final = Interface(
    "/org/freedesktop/systemd1", "org.freedesktop.systemd1.Manager", "org.freedesktop.systemd1"
)
_READ_BYTES: Final = 64 * 1024
_LINE_BYTES_MAX: Final = 1024
_LOOK_S: Final = 0.002
"""How often it is looked whether something has come true of which no message tells."""


class ManagerError(HostError):
    """systemd refused, said nothing in time, or is not there.

    `name` is the D-Bus name of a refusal; empty: there was no answer, and trying again may help.
    `is_away`: nobody listens at its socket, as for a moment when it starts itself afresh.
    """

    def __init__(self, text: str, name: str = "", *, is_away: bool = False) -> None:
        self.name = name
        self.is_away = is_away
        super().__init__(text)


class Manager:
    """One line to the manager; use it in a `with`. Everything blocks, until the deadline."""

    def __init__(self, address: str = PRIVATE_SOCKET, *, limit_s: float = LIMIT_S) -> None:
        """Connect and authenticate. Raises `ManagerError`."""
        self._address = address
        self._until = time.monotonic() + limit_s
        self._limit_s = limit_s
        self._serial = 0
        self._data = b""
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_CLOEXEC)
        try:
            self._open()
        except BaseException:
            self._line.close()
            raise

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self._line.close()

    def call(self, member: str, signature: str = "", values: Sequence[Any] = ()) -> tuple[Any, ...]:
        """Call a method of the manager and give what it answers. Raises `ManagerError`."""
        self._serial += 1
        try:
            self._send(wire.method_call(self._serial, _MANAGER, member, signature, values))
            while True:
                answer = self._message()
                if answer.reply_to == self._serial:
                    return _values(answer, member)
        except WireError as error:
            raise ManagerError(f"systemd at {self._address} speaks nonsense: {error}") from error

    def wait_until(self, is_so: Callable[[], bool], what: str) -> None:
        """Wait until something holds that a call has set going. Raises `ManagerError`."""
        while not is_so():
            # Its signals say that something has happened; which of them matters is not asked.
            if self._is_ready(_LOOK_S) and not self._read():
                time.sleep(_LOOK_S)  # the line is gone; what was set going goes on without it
            self._data = b""
            if time.monotonic() >= self._until:
                raise ManagerError(f"systemd did not {what} within {self._limit_s:.2g} s")

    # --- the line -----------------------------------------------------------------------------

    def _open(self) -> None:
        try:
            self._line.settimeout(self._left())
            self._line.connect(self._address)
        except OSError as error:
            is_away = isinstance(error, FileNotFoundError | ConnectionRefusedError)
            raise self._failed("cannot reach", error, is_away=is_away) from error
        user = str(os.geteuid()).encode().hex()
        # Both at once, and no call before the answer: a call that systemd reads together with BEGIN
        # lies in its buffer until more comes, which is never.
        self._send(f"\0AUTH EXTERNAL {user}\r\nBEGIN\r\n".encode())
        answer = self._text_line()
        if not answer.startswith(b"OK"):
            said = answer[:80].decode("ascii", "replace")
            raise ManagerError(f"systemd at {self._address} does not let this user in: {said}")

    def _text_line(self) -> bytes:
        while b"\r\n" not in self._data:
            if len(self._data) > _LINE_BYTES_MAX:
                raise ManagerError(f"systemd at {self._address} speaks nonsense")
            self._read_more()
        line, _, self._data = self._data.partition(b"\r\n")
        return line

    def _message(self) -> Message:
        while True:
            found, self._data = wire.split(self._data)
            if found is not None:
                return found
            self._read_more()

    def _read_more(self) -> None:
        if not self._is_ready(self._left()):
            raise ManagerError(f"systemd did not answer within {self._limit_s:.2g} s")
        if not self._read():
            raise ManagerError(f"systemd at {self._address} hung up")

    def _read(self) -> bool:
        """Read what is there; False: the line has ended."""
        try:
            piece = self._line.recv(_READ_BYTES)
        except OSError as error:
            raise self._failed("cannot read from", error) from error
        self._data += piece
        return piece != b""

    def _send(self, data: bytes) -> None:
        try:
            self._line.settimeout(self._left())
            self._line.sendall(data)
        except OSError as error:
            raise self._failed("cannot write to", error) from error

    def _is_ready(self, wait_s: float) -> bool:
        poll = select.poll()
        poll.register(self._line, select.POLLIN)
        return bool(poll.poll(wait_s * 1000))

    def _left(self) -> float:
        """Give the seconds that are left, never 0, which would mean for ever."""
        return max(0.001, self._until - time.monotonic())

    def _failed(self, what: str, error: OSError, *, is_away: bool = False) -> ManagerError:
        why = error.strerror or "no answer in time"
        return ManagerError(f"{what} systemd at {self._address}: {why}", is_away=is_away)


def _values(answer: Message, member: str) -> tuple[Any, ...]:
    """Read an answer. Raises `ManagerError` if it is a refusal, `WireError` if it is nonsense."""
    if answer.kind == wire.METHOD_RETURN:
        return wire.decode(answer.signature, answer.body)
    why = ""
    if answer.signature.startswith("s"):
        why = f": {wire.decode(answer.signature, answer.body)[0]}"
    raise ManagerError(f"systemd refused {member}{why}", answer.error_name or "unknown")
