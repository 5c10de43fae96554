"""What systemd is to a service that notifies: hears what it says, for processes of a test."""

import contextlib
import socket
import tempfile
import time
from pathlib import Path
from types import TracebackType


class ServiceManager:
    """Listens where `$NOTIFY_SOCKET` points; use it as a context manager."""

    def __init__(self) -> None:
        self._folder = tempfile.TemporaryDirectory(prefix="limpet-notify-")
        self.path = Path(self._folder.name) / "notify"
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self._socket.bind(str(self.path))
        self.said: list[dict[str, str]] = []
        """All that was said, the oldest first, each as its variables."""

    @property
    def environment(self) -> dict[str, str]:
        """Give what a service is started with."""
        return {"NOTIFY_SOCKET": str(self.path)}

    def __enter__(self) -> "ServiceManager":
        return self

    def __exit__(
        self, _kind: type[BaseException] | None, _error: object, _trace: TracebackType | None
    ) -> None:
        self._socket.close()
        self._folder.cleanup()

    def hear(self, within_s: float = 0.0) -> None:
        """Take what was said, waiting so long for more."""
        self._socket.settimeout(within_s or 0.001)
        with contextlib.suppress(TimeoutError):
            while True:
                lines = self._socket.recv(4096).decode().split("\n")
                self.said.append(dict(line.split("=", 1) for line in lines if line))
                self._socket.settimeout(0.001)

    def wait_for(self, within_s: float = 30.0, **variables: str) -> dict[str, str]:
        """Wait until something with these variables is said; gives it. Forgets what came before."""
        end = time.monotonic() + within_s
        while time.monotonic() < end:
            for index, each in enumerate(self.said):
                if all(value in each.get(name, "") for name, value in variables.items()):
                    del self.said[: index + 1]
                    return each
            self.hear(0.1)
        raise AssertionError(f"waited in vain for {variables}; heard {self.said}")
