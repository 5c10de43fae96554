"""A made-up systemd behind its private socket: it says what it is told to say, and really moves.

    with FakeManager(path, "moves") as manager: ...

`moves` puts the caller's process into a control group of that name, as systemd does (root and a
control group file system are needed: `can_move`); `slow` answers after a while; `stays` answers and
moves nobody; `refuses`, `silent`, `hangs_up` and `babbles` do what they say; `taken` says once that
the unit exists and then moves; `breaks_once` hangs up once and then moves.
"""

import contextlib
import os
import socket
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from limpet.common.service.systemd import wire

Way = Literal[
    "moves", "slow", "stays", "refuses", "silent", "hangs_up", "babbles", "taken", "breaks_once"
]
TREES: Final = (Path("/sys/fs/cgroup/systemd"), Path("/sys/fs/cgroup"))
MEMORY: Final = Path("/sys/fs/cgroup/memory")
SLOW_S: Final = 0.2


def tree() -> Path | None:
    """Find where a process can be moved into a control group that systemd's names are read from."""
    for place in TREES:
        if (place / "cgroup.procs").exists() and os.access(place / "cgroup.procs", os.W_OK):
            return place
    return None


def can_limit() -> bool:
    """Say whether the kernel can be asked to keep a limit of memory."""
    return os.access(MEMORY / "memory.limit_in_bytes", os.W_OK) and tree() is not None


class FakeManager:
    """The socket and the thread behind it; `calls` has what was asked, in order."""

    def __init__(self, path: Path, way: Way) -> None:
        self.path = path
        self.way: Way = way
        self.calls: list[tuple[str, tuple[Any, ...]]] = []
        self.connections = 0
        self._groups: list[Path] = []
        self._slice = f"limpet-test-{os.getpid()}-{id(self)}"
        self._server = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._lines: list[socket.socket] = []
        self._thread = threading.Thread(target=self._serve, daemon=True)

    def __enter__(self) -> Self:
        self._server.bind(str(self.path))
        self._server.listen(16)
        self._thread.start()
        return self

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        _error: BaseException | None,
        _: TracebackType | None,
    ) -> None:
        self._server.shutdown(socket.SHUT_RDWR)
        self._server.close()
        self._thread.join(5)
        for line in self._lines:
            line.close()
        for group in self._groups:
            _remove(group)

    def units(self) -> list[str]:
        """Name the units that were asked for."""
        return [values[0] for member, values in self.calls if member == "StartTransientUnit"]

    def properties(self, at: int = 0) -> dict[str, Any]:
        """Give the properties of one unit that was asked for."""
        asked = [values for member, values in self.calls if member == "StartTransientUnit"]
        return {name: variant.value for name, variant in asked[at][2]}

    def processes(self, unit: str) -> list[int]:
        """List the processes that are in a unit."""
        group = [each for each in self._groups if each.name == unit][-1]
        return [int(line) for line in (group / "cgroup.procs").read_text().split()]

    # --- the thread ---------------------------------------------------------------------------

    def _serve(self) -> None:
        while True:
            try:
                line, _ = self._server.accept()
            except OSError:
                return
            self.connections += 1
            self._lines.append(line)
            line.settimeout(5)
            with contextlib.suppress(OSError):
                self._serve_one(line)

    def _serve_one(self, line: socket.socket) -> None:
        if self.way == "silent":
            return  # the line stays open
        user = str(os.geteuid()).encode().hex().encode()
        data = b""
        while not data.endswith(b"BEGIN\r\n"):
            # As systemd, which never looks at a call that it read together with what is before it.
            assert b"BEGIN\r\n" not in data, data
            data += _more(line)
        assert data == b"\0AUTH EXTERNAL " + user + b"\r\nBEGIN\r\n", data
        line.sendall(b"OK 0123456789abcdef0123456789abcdef\r\n")
        data = b""
        while True:
            found, data = wire.split(data)
            if found is None:
                piece = line.recv(4096)
                if not piece:
                    break
                data += piece
            elif not self._answer(line, found):
                break
        line.close()

    def _answer(self, line: socket.socket, call: wire.Message) -> bool:
        values = wire.decode(call.signature, call.body)
        self.calls.append((call.member, values))
        if self.way == "hangs_up":
            return False
        if self.way == "breaks_once":
            self.way = "moves"
            return False
        if self.way == "babbles":
            line.sendall(b"this is no message of D-Bus at all, is it")
            return True
        if self.way == "refuses":
            return _refuse(line, call, "org.freedesktop.DBus.Error.AccessDenied", "Not today.")
        if self.way == "taken":
            self.way = "moves"
            return _refuse(line, call, "org.freedesktop.systemd1.UnitExists", "Unit was loaded.")
        # What the manager tells everybody is no answer.
        line.sendall(wire.message(wire.SIGNAL, 8, [(3, wire.Variant("s", "UnitNew"))]))
        body = b""
        signature = ""
        if call.member == "StartTransientUnit":
            signature = "o"
            body = wire.encode("o", ("/org/freedesktop/systemd1/job/1",))
        fields = wire.reply_fields(call.serial, signature)
        line.sendall(wire.message(wire.METHOD_RETURN, 9, fields, body))
        if signature and self.way in ("moves", "slow"):
            if self.way == "slow":
                time.sleep(SLOW_S)
            self._move(values[0], {name: variant.value for name, variant in values[2]})
        return True

    def _move(self, unit: str, properties: dict[str, Any]) -> None:
        place = tree()
        assert place is not None
        groups = [place / self._slice / unit]
        if "MemoryMax" in properties and can_limit():
            groups.insert(0, MEMORY / self._slice / unit)
        for group in groups:
            group.mkdir(parents=True)
            self._groups.append(group)
            if group.is_relative_to(MEMORY):
                (group / "memory.limit_in_bytes").write_text(str(properties["MemoryMax"]))
            for pid in properties["PIDs"]:
                (group / "cgroup.procs").write_text(str(pid))


def _more(line: socket.socket) -> bytes:
    piece = line.recv(4096)
    if not piece:
        raise ConnectionError("the caller hung up")
    return piece


def _refuse(line: socket.socket, call: wire.Message, name: str, text: str) -> bool:
    fields = wire.reply_fields(call.serial, "s", name)
    line.sendall(wire.message(wire.ERROR, 9, fields, wire.encode("s", (text,))))
    return True


def _remove(group: Path) -> None:
    """Remove a group and its parent; what is still in it goes back to the root of the tree."""
    root = MEMORY if group.is_relative_to(MEMORY) else tree()
    assert root is not None
    for pid in (group / "cgroup.procs").read_text().split():
        with contextlib.suppress(OSError):
            (root / "cgroup.procs").write_text(pid)
    end = time.monotonic() + 5
    while time.monotonic() < end:
        with contextlib.suppress(OSError):
            group.rmdir()
            with contextlib.suppress(OSError):
                group.parent.rmdir()
            return
        time.sleep(0.02)
