"""The thread that keeps packages, so that the loop never waits for a disk.

Requests are answered in the order in which they come, each by one `Shelved`, through `collect`.
"""

import os
import threading
from collections import deque
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from limpet.common.control.packages import (
    ListPackages,
    OfferPackage,
    PackageInfo,
    PackageKept,
    PackageRequest,
    Packages,
    PackageWanted,
    SendPackage,
)
from limpet.common.control.replies import Refused, Reply
from limpet.common.errors import HostError
from limpet.common.messages.fields import PROTOCOL_MAX, PROTOCOL_MIN
from limpet.master.effects import Client
from limpet.master.packages.shelf import PackageShelf

WAITING_MAX: Final = 64
"""Requests that wait at once: as many as there can be clients."""
PROTOCOL: Final = f"{PROTOCOL_MIN}-{PROTOCOL_MAX}"


@dataclass(frozen=True, slots=True)
class Shelved:
    """The answer to a client's request."""

    client: Client
    reply: Reply


class PackageDesk:
    """Answers what clients ask about packages."""

    def __init__(self, directory: Path) -> None:
        """Take the directory; neither it nor the thread is made before somebody asks."""
        self._shelf = PackageShelf(directory)
        self._thread: threading.Thread | None = None
        self._waiting: deque[tuple[Client, PackageRequest]] = deque()
        self._done: deque[Shelved] = deque()
        self._changed = threading.Condition()
        self._is_stopping = False
        self._wake = os.eventfd(0, os.EFD_NONBLOCK | os.EFD_CLOEXEC)

    def ask(self, client: Client, request: PackageRequest) -> None:
        """Have a request answered."""
        with self._changed:
            if len(self._waiting) >= WAITING_MAX:
                text = "too many packages are handed over at once: try again in a moment"
                self._finish(client, Refused("busy", text))
                return
            self._waiting.append((client, request))
            if self._thread is None:
                self._start()
            self._changed.notify()

    def fileno(self) -> int:
        """Give the descriptor that is readable when `collect` has something."""
        return self._wake

    def collect(self) -> list[Shelved]:
        """Give what was answered since the last call."""
        try:
            os.eventfd_read(self._wake)
        except BlockingIOError:
            return []
        with self._changed:
            done = list(self._done)
            self._done.clear()
        return done

    def close(self, *, within_s: float = 1.0) -> None:
        """Let the thread end; one that hangs in a disk is left behind."""
        with self._changed:
            self._is_stopping = True
            self._changed.notify()
        if self._thread is not None:
            self._thread.join(within_s)
        with self._changed:
            if self._wake >= 0:
                os.close(self._wake)
                self._wake = -1

    def _start(self) -> None:
        thread = threading.Thread(target=self._run, name="packages", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # memory or processes have run out; the next asker tries
            client, _ = self._waiting.pop()
            self._finish(client, Refused("failed", f"packages can't be kept now: {error}"))
            return
        self._thread = thread

    def _run(self) -> None:
        while (taken := self._take()) is not None:
            client, request = taken
            reply = self._answer(request)
            with self._changed:
                self._finish(client, reply)

    def _take(self) -> tuple[Client, PackageRequest] | None:
        with self._changed:
            while not self._waiting and not self._is_stopping:
                self._changed.wait()
            return None if self._is_stopping else self._waiting.popleft()

    def _finish(self, client: Client, reply: Reply) -> None:
        """Give an answer to the loop; the lock is held."""
        self._done.append(Shelved(client, reply))
        if self._wake >= 0:
            os.eventfd_write(self._wake, 1)

    def _answer(self, request: PackageRequest) -> Reply:
        try:
            match request:
                case OfferPackage(sha256=sha256, size=size):
                    return _said(self._shelf.offer(sha256, size))
                case SendPackage(sha256=sha256, size=size, offset=offset, data=data):
                    return _said(self._shelf.add(sha256, size, offset, data))
                case ListPackages():
                    return Packages(tuple(self._shelf.listing()), PROTOCOL)
        except HostError as error:
            return Refused("failed", str(error))
        except OSError as error:
            place = error.filename or self._shelf.directory
            return Refused("failed", f"{place}: {error.strerror or error}")
        except Exception as error:  # noqa: BLE001
            # A mistake of ours in one question must not take the answers to all later ones away.
            return Refused("failed", f"packages: {error!r}; please report it")


def _said(found: PackageInfo | int) -> Reply:
    return PackageWanted(found) if isinstance(found, int) else PackageKept(found, PROTOCOL)
