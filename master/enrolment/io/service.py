"""The enrolment process as a service of its own: it looks for its master, and serves for it.

    away ─ connected ─▶ asking ─ Setup ─▶ serving ─ the line ends ─▶ away ─ backoff ≤ 2 s ─▶ …
             ▲              └ 30 s without ─▶ away
             └ nobody there, or not the master: backoff ≤ 2 s

It never gives up, and ends on SIGTERM. A master that it can't understand is of another release than
this process, which may have outlived an upgrade: then it ends, to be started anew. The key of the
master is held only while the line is.
"""

import gc
import os
import socket
import stat
from collections.abc import Callable
from pathlib import Path
from typing import Final

import msgspec

from limpet.common.clock import Clock, Instant, SystemClock
from limpet.common.control.framing import FramedSocket
from limpet.common.errors import HostError, PeerError
from limpet.common.observability.logs import Level, Log
from limpet.common.service.notify import Notifier
from limpet.common.service.paths import Roots, tighten_umask, user_name
from limpet.common.service.signals import STOP_SIGNALS, SignalPipe
from limpet.common.service.socket_names import reachable
from limpet.common.service.watchdog import Watchdog, exit_process
from limpet.common.transport.sockets import Poller, check_library
from limpet.master.control.peer_credentials import caller_of
from limpet.master.enrolment.backoff import Backoff
from limpet.master.enrolment.io.launchers import SOCKET_NAME
from limpet.master.enrolment.io.messages import LINE_BYTES_MAX, LINE_QUEUE_BYTES_MAX, Setup
from limpet.master.enrolment.io.process import WATCHDOG_S, EnrolmentProcess

BACKOFF_FIRST_S: Final = 0.1
BACKOFF_MAX_S: Final = 2.0
"""A look at a Unix socket costs next to nothing, and new minions wait for it."""
SETTLED_S: Final = 10.0
SETUP_S_MAX: Final = 30.0
"""The master may serve another process, or be busy: then this one waits in its queue."""
MISFIT_S: Final = 3.0
"""Between meeting a master of another release and the end, so that starts are not many."""
_TURN_S_MAX: Final = 1.0


class Misfit(HostError):
    """Master and process do not understand each other."""


class EnrolmentService:
    """One process that is connected to its master whenever there is one."""

    def __init__(
        self,
        path: Path,
        *,
        log: Log,
        signals: SignalPipe,
        watchdog: Watchdog,
        tell: Callable[[str], None],
        clock: Clock | None = None,
    ) -> None:
        """Take note of the master's socket. `tell` hears in a few words how the service is."""
        self._path = path
        self._log = log
        self._signals = signals
        self._watchdog = watchdog
        self._tell = tell
        self._clock = SystemClock() if clock is None else clock
        self._backoff = Backoff(first_s=BACKOFF_FIRST_S, max_s=BACKOFF_MAX_S, settled_s=SETTLED_S)
        self._poller = Poller()
        self._is_stopped = False

    def run(self) -> None:
        """Serve until a stop is asked for."""
        self._poller.register(self._signals)
        while not self._is_stopped:
            self._wait(self._backoff.next_at)
            if self._is_stopped:
                return
            now = self._clock.now().boot
            if now < self._backoff.next_at:
                continue
            self._backoff.on_begun(now)
            try:
                line = connect(self._path)
            except (OSError, HostError) as error:
                self._log.report("warning", "enrol.away", f"waits for the master: {_text(error)}")
                self._tell(f"waits for the master: {_text(error)}")
            else:
                try:
                    self._serve(line)
                except Misfit as error:
                    self._tell(str(error))
                    self._stay(MISFIT_S)
                    raise
                finally:
                    line.close()
            gc.collect()  # what is left of the last line, its key above all
            self._backoff.on_ended(self._clock.now().boot)

    def _serve(self, line: FramedSocket) -> None:
        """Serve on one line until it ends."""
        setup = self._setup_from(line)
        if setup is None:
            return
        self._log.level = Level(setup.log_level)
        self._log.info(f"connected to the master at {self._path}")
        process = EnrolmentProcess(
            line, setup, self._log, self._watchdog, signals=self._signals, tell=self._tell
        )
        process.run()
        self._is_stopped = process.is_stopped
        if process.misfit:
            raise Misfit(process.misfit)
        if not self._is_stopped:
            self._log.warning(f"the line to the master has ended: {line.why_closed}")
            self._tell("waits for the master")

    def _setup_from(self, line: FramedSocket) -> Setup | None:
        """Wait for the master's first word; None: it does not come. Raises `Misfit`."""
        self._tell("waits for the master's word")
        give_up_at = Instant(self._clock.now().boot + SETUP_S_MAX)
        self._poller.register(line)
        try:
            while not self._is_stopped and not line.is_closed:
                if self._clock.now().boot >= give_up_at:
                    self._log.report("warning", "enrol.setup", "the master says nothing")
                    return None
                self._wait(give_up_at)
                for payload in line.receive():
                    return msgspec.msgpack.decode(payload, type=Setup)
        except (PeerError, msgspec.DecodeError) as error:
            raise Misfit(
                f"the master can't be understood, it may be of another release: {error}"
            ) from error
        finally:
            self._poller.unregister(line)
        return None

    def _stay(self, pause_s: float) -> None:
        """Do nothing for a while but hear signals."""
        until = Instant(self._clock.now().boot + pause_s)
        while not self._is_stopped and self._clock.now().boot < until:
            self._wait(until)

    def _wait(self, until: Instant) -> None:
        """Wait for something to happen, a second at most, and hear signals."""
        self._watchdog.turned()
        self._poller.wait(min(_TURN_S_MAX, max(0.0, until - self._clock.now().boot)))
        if any(number in STOP_SIGNALS for number in self._signals.take()):
            self._is_stopped = True


def connect(path: Path) -> FramedSocket:
    """Connect to the master, and to nobody else.

    Raises `OSError` where nobody listens, and `HostError` where the listener is neither root, nor
    this user, nor the owner of the directory, or where others could have put a socket there.
    """
    place = path.parent.stat()
    if place.st_mode & (stat.S_IWGRP | stat.S_IWOTH):
        raise HostError(
            f"{path.parent} may be written by others, who could put a socket of theirs there: "
            f"`chmod go-w {path.parent}`"
        )
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        connection.setblocking(False)
        with reachable(path) as name:
            connection.connect(name)
        uid = caller_of(connection).uid
        if uid not in (0, os.geteuid(), place.st_uid):
            raise HostError(
                f"{path} is served by the user {user_name(uid)}, but its directory belongs to "
                f"{user_name(place.st_uid)}: this is not the master; find out who put it there"
            )
    except (OSError, HostError):
        connection.close()
        raise
    return FramedSocket(
        connection,
        read_bytes_max=LINE_BYTES_MAX,
        write_bytes_max=LINE_BYTES_MAX,
        queue_bytes_max=LINE_QUEUE_BYTES_MAX,
    )


def serve(root: str | None, log: Log) -> None:
    """Run the service for the master of a place until it is asked to stop."""
    tighten_umask()
    check_library()
    path = Roots.locate("master", root).run_dir / SOCKET_NAME
    notifier = Notifier()
    with (
        SignalPipe() as signals,
        Watchdog(limit_s=WATCHDOG_S, on_hang=exit_process(), on_alive=notifier.alive) as watchdog,
    ):
        service = EnrolmentService(
            path, log=log, signals=signals, watchdog=watchdog, tell=notifier.status
        )
        log.info(f"looks for the master at {path}")
        # Waiting is what it is there for: a boot has not to wait for it.
        notifier.ready(f"looks for the master at {path}")
        service.run()
        notifier.stopping()
    log.info("the enrolment process has ended as asked")


def _text(error: OSError | HostError) -> str:
    return error.strerror or str(error) if isinstance(error, OSError) else str(error)
