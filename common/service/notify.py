"""Telling systemd how the service is (`sd_notify`). Without systemd every call does nothing."""

import os
import time
from typing import Final

BUSY_S: Final = 60.0
"""How much more time each word that a start goes on asks for."""
BUSY_EVERY_S: Final = 1.0
"""More words than one in this time say nothing new."""


class Notifier:
    """The service manager, if there is one. Safe to call from any thread; never raises."""

    def __init__(self) -> None:
        self._address = os.environ.get("NOTIFY_SOCKET", "")
        self._busy_at = float("-inf")

    @property
    def is_there(self) -> bool:
        """Say whether anybody listens."""
        return bool(self._address)

    def ready(self, status: str = "") -> None:
        """Say that the service works; `Type=notify` units count as started from here."""
        self._send(f"READY=1\nSTATUS={_one_line(status)}")

    def reloading(self, status: str = "") -> None:
        """Say that the configuration is read anew; `ready` follows, whatever comes of it."""
        at_us = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
        self._send(f"RELOADING=1\nMONOTONIC_USEC={at_us}\nSTATUS={_one_line(status)}")

    def stopping(self, status: str = "") -> None:
        """Say that the service is about to end."""
        self._send("STOPPING=1" + (f"\nSTATUS={_one_line(status)}" if status else ""))

    def status(self, text: str) -> None:
        """Give the line that `systemctl status` shows."""
        self._send(f"STATUS={_one_line(text)}")

    def busy(self, status: str) -> None:
        """Say that a start goes on and needs more time; cheap enough for a tight loop.

        To be called by what really goes on, never by a timer: a start that hangs is to be ended.
        """
        now = time.monotonic()
        if not self._address or now - self._busy_at < BUSY_EVERY_S:
            return
        self._busy_at = now
        self._send(f"EXTEND_TIMEOUT_USEC={int(BUSY_S * 1e6)}\nSTATUS={_one_line(status)}")

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


def watchdog_s() -> float | None:
    """Give within which time systemd wants to be told that this process is alive; None: never."""
    text = os.environ.get("WATCHDOG_USEC", "")
    pid = os.environ.get("WATCHDOG_PID", "")
    if not (text.isascii() and text.isdigit()) or int(text) == 0:
        return None
    if pid and pid != str(os.getpid()):
        return None  # it is meant for the process that started this one
    return int(text) / 1e6


def _one_line(text: str) -> str:
    return text.replace("\n", " ")[:500]
