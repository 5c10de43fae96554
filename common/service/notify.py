"""Telling systemd how the service is (`sd_notify`). Without systemd every call does nothing."""

import os


class Notifier:
    """The service manager, if there is one."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")

    def ready(self, status: str = "") -> None:
        """Say that the service works; `Type=notify` units count as started from here."""
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def stopping(self) -> None:
        """Say that the service is about to end."""
        self._send("STOPPING=1")

    def status(self, text: str) -> None:
        """Give the line that `systemctl status` shows."""
        self._send(f"STATUS={_one_line(text)}")

    def alive(self) -> None:
        """Feed systemd's own watchdog (`WatchdogSec=`)."""
        self._send("WATCHDOG=1")

    def _send(self, state: str) -> None:
        if not self._address:
            return
        import socket  # only where systemd is: it costs memory

        address = "\0" + self._address[1:] if self._address[0] == "@" else self._address
        try:
            with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as sock:
                sock.setblocking(False)
                sock.sendto(state.encode("utf-8", "replace"), address)
        except OSError:
            return  # neither a manager that is away nor a lack of descriptors ends the service


def _one_line(text: str) -> str:
    return text.replace("\n", " ")[:500]
