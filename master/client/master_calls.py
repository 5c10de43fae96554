"""What a client can ask the master about itself: its state, events, key, and kept packages."""

from __future__ import annotations

import time
from collections.abc import Iterator

from limpet.common.control.packages import (
    ListPackages,
    OfferPackage,
    PackageAnswer,
    PackageInfo,
    PackageKept,
    Packages,
)
from limpet.common.control.replies import Event, MasterStatus, Rotation
from limpet.common.control.requests import AskStatus, RotateMaster, WatchEvents
from limpet.common.errors import UsageError
from limpet.master.client.errors import ConnectionLost, raise_refusal, unexpected
from limpet.master.client.requester import ANSWER_S, Requester


class MasterCalls(Requester):
    """A client's calls about the master itself."""

    def status(self) -> MasterStatus:
        """Give how the master is."""
        return self._ask(AskStatus(), MasterStatus)

    def rotate_master(
        self, *, is_fresh: bool = False, is_sure: bool = False, expected: str = ""
    ) -> Rotation:
        """Have the master take its next key into use; it starts itself afresh after the answer.

        `is_fresh` prepares other next keys first. Without `is_sure` nothing is done if some minions
        would not follow: the answer names them. `expected`: only if the next key is this one, in
        hex. Asked once only: a lost answer is not asked for again.
        """
        request = RotateMaster(is_fresh, is_sure, expected)
        return self._ask(request, Rotation, is_repeatable=False)

    def events(self, *, timeout_s: float | None = None) -> Iterator[Event]:
        """Follow events from now on, through restarts of the master (missing what came between).

        Ends when the timeout has passed; without one, only by an error or when it is closed.
        """
        deadline = float("inf") if timeout_s is None else time.monotonic() + timeout_s
        line = self._take_line()
        is_asked = False
        try:
            while time.monotonic() < deadline:
                try:
                    if not is_asked:
                        if not line.open(deadline):
                            continue
                        line.ask(WatchEvents())
                        is_asked = True
                    reply = line.receive(min(deadline, time.monotonic() + ANSWER_S))
                    raise_refusal(reply)
                    if reply is None:
                        line.probe()
                    line.on_answered()
                except ConnectionLost as lost:
                    is_asked = False
                    line.on_lost(lost)
                    continue
                if isinstance(reply, Event):
                    yield reply
                elif reply is not None:
                    raise unexpected(reply)
        finally:
            line.close()
            self._was_reached |= line.was_reached

    def keep_package(self, path: str) -> PackageKept:
        """Hand a package of `limpet-minion` to the master, for upgrades; gives what it is.

        One that the master has already is not sent again. Raises `UsageError` for a file that
        can't be read, `LimpetError` for one that is no such package.
        """
        # Only here: the start of every command would pay for it.
        from limpet.master.client.package_upload import PackageUpload

        with PackageUpload(path) as upload:
            answer = self._ask(upload.offer(), PackageAnswer)
            while not isinstance(answer, PackageKept):
                answer = self._ask(upload.piece(answer), PackageAnswer)
        return answer

    def confirm_package(self, package: PackageInfo) -> PackageInfo:
        """Have the master read a package through that it keeps.

        Raises `UsageError` if it was damaged, or is gone.
        """
        answer = self._ask(OfferPackage(package.sha256, package.size), PackageAnswer)
        if not isinstance(answer, PackageKept):
            raise UsageError(
                f"the master's package of {package.name} {package.version} was damaged on its "
                "disk, and is gone: hand it over again with --package FILE"
            )
        return answer.package

    def packages(self) -> Packages:
        """Give the packages that the master keeps, the newest first."""
        return self._ask(ListPackages(), Packages)
