"""What is done where the memory of this process runs out: all connections are ended."""

from collections.abc import Callable, Sequence
from typing import Final

from limpet.common.clock import Instant, Moment
from limpet.common.errors import LimpetError, UsageError
from limpet.common.observability.logs import Log
from limpet.common.transport.sockets import Poller
from limpet.master.core.port_events import PeerLeft
from limpet.master.process.main_port import MainPort
from limpet.master.process.memory import resident_bytes

LOOK_S: Final = 1.0
HELPED_S: Final = 60.0
"""Full again so soon after all connections were ended: it is not they that hold it."""


class NobodyLetIn(LimpetError):
    """The main port does not let even the master itself in; the process has to start afresh."""


class MemoryGuard:
    """Closes the main port and opens it anew where memory runs out: connections hold it."""

    def __init__(
        self,
        port: MainPort,
        poller: Poller,
        *,
        reopen: Callable[[], object],
        on_left: Callable[[Sequence[PeerLeft], Moment], None],
        log: Log,
        bytes_max: int,
    ) -> None:
        """Look after a port that `poller` polls.

        `reopen` opens it anew, or raises `UsageError`; `on_left` is told of the connections
        that were ended; `bytes_max`: more resident memory than this is too much.
        """
        self._port = port
        self._poller = poller
        self._reopen = reopen
        self._on_left = on_left
        self._log = log
        self._bytes_max = bytes_max
        self._look_at = Instant(0.0)
        self._shut_at = Instant(float("-inf"))
        self._is_shut = False

    def look(self, now: Moment) -> None:
        """Look once a second, and act.

        Minions come back by themselves. If it does not help, or the port is not free within half
        a minute, the process is started afresh: raises `NobodyLetIn`, or `UsageError`.
        """
        if now.boot < self._look_at:
            return
        self._look_at = now.after(LOOK_S)
        if not self._is_shut and resident_bytes() > self._bytes_max:
            if now.boot < self._shut_at + HELPED_S:
                raise NobodyLetIn("the memory stays full though all connections were ended")
            self._log.error("memory runs out: all connections are ended and the port opened anew")
            self._poller.unregister(self._port.router)
            self._shut_at = now.boot
            self._is_shut = True
            self._on_left(self._port.shut(), now)
        if self._is_shut:
            try:
                self._reopen()
            except UsageError as error:
                if now.boot > self._shut_at + HELPED_S / 2:
                    raise
                self._log.report("warning", "bind", str(error))
                return
            self._is_shut = False
            self._poller.register(self._port.router)
