"""The thread that keeps packages, so that the loop never waits for a disk.

Requests are answered in the order in which they come, each by one `Shelved`, through `collect`.
"""

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
from limpet.master.core.effects import Client
from limpet.master.process.worker_threads import WorkerThreads
from limpet.master.upgrading.io.package_store import PackageStore

WAITING_MAX: Final = 64
"""Requests that wait at once: as many as there can be clients."""
PROTOCOL: Final = f"{PROTOCOL_MIN}-{PROTOCOL_MAX}"


@dataclass(frozen=True, slots=True)
class Shelved:
    """The answer to a client's request."""

    client: Client
    reply: Reply


class PackageThread:
    """Answers what clients ask about packages."""

    def __init__(self, directory: Path) -> None:
        """Take the directory; neither it nor the thread is made before somebody asks."""
        self._store = PackageStore(directory)
        self._threads: WorkerThreads[tuple[Client, PackageRequest], Shelved] = WorkerThreads(
            "packages", self._do, _failed
        )

    def ask(self, client: Client, request: PackageRequest) -> None:
        """Have a request answered."""
        if self._threads.waiting >= WAITING_MAX:
            text = "too many packages are handed over at once: try again in a moment"
            self._threads.answer(Shelved(client, Refused("busy", text)))
        else:
            self._threads.ask((client, request))

    def fileno(self) -> int:
        """Give the descriptor that is readable when `collect` has something."""
        return self._threads.fileno()

    def collect(self) -> list[Shelved]:
        """Give what was answered since the last call."""
        return self._threads.collect()

    def close(self, *, within_s: float = 1.0) -> None:
        """Let the thread end; one that hangs in a disk is left behind."""
        self._threads.close(within_s=within_s)

    def _do(self, asked: tuple[Client, PackageRequest]) -> Shelved:
        client, request = asked
        return Shelved(client, self._answer(request))

    def _answer(self, request: PackageRequest) -> Reply:
        try:
            match request:
                case OfferPackage(sha256=sha256, size=size):
                    return _said(self._store.offer(sha256, size))
                case SendPackage(sha256=sha256, size=size, offset=offset, data=data):
                    return _said(self._store.add(sha256, size, offset, data))
                case ListPackages():
                    return Packages(tuple(self._store.listing()), PROTOCOL)
        except HostError as error:
            return Refused("failed", str(error))
        except OSError as error:
            place = error.filename or self._store.directory
            return Refused("failed", f"{place}: {error.strerror or error}")


def _failed(asked: tuple[Client, PackageRequest], text: str) -> Shelved:
    client, _ = asked
    return Shelved(client, Refused("failed", f"packages: {text}"))


def _said(found: PackageInfo | int) -> Reply:
    return PackageWanted(found) if isinstance(found, int) else PackageKept(found, PROTOCOL)
