"""Carries out what the core asks for the master's keys: a child that checks, a thread that writes.

Heavy libraries and slow disks stay out of the link. One announcement at a time; a younger one takes
the place of one that is still being checked.
"""

from pathlib import Path
from typing import Final

from limpet.common.clock import FOREVER, Clock, Instant, Moment
from limpet.common.errors import HostError
from limpet.common.messages.trust import Trust, Verdict
from limpet.common.observability.logs import Log
from limpet.minion.core.effects import KeepServerKey, KeepTrust
from limpet.minion.process.child_process import ShortChild
from limpet.minion.process.disk_thread import DiskThread

CHECK_S: Final = 20.0
"""How long a check may take on a busy host."""
CLOSE_S: Final = 1.0


class KeyWriter:
    """Checks and writes what the core asks for."""

    def __init__(self, directory: Path, told: str, clock: Clock, log: Log) -> None:
        """Use the minion's key directory; `told` is what the configuration says of the master."""
        self._directory = directory
        self._told = told
        self._clock = clock
        self._log = log
        self._child: ShortChild | None = None
        self._serial = 0
        self._done: list[tuple[int, Verdict, str]] = []
        self._disk_thread: DiskThread[str] | None = None

    @property
    def next_deadline(self) -> Instant:
        """Give when `collect` is wanted even if nothing comes."""
        if self._done:
            return Instant(0.0)
        return FOREVER if self._child is None else self._child.deadline

    def filenos(self) -> tuple[int, ...]:
        """Give what to poll for reading."""
        checker = () if self._child is None else (self._child.fileno(),)
        disk_thread = () if self._disk_thread is None else (self._disk_thread.fileno(),)
        return (*checker, *disk_thread)

    def keep_trust(self, effect: KeepTrust) -> None:
        """Begin to check an announcement."""
        from limpet.minion.master_keys.io import checker

        trust: Trust = effect.trust
        if self._child is not None:
            self._child.close()
        self._serial = trust.serial
        try:
            self._child = ShortChild(
                self._clock.now(),
                checker.command(),
                name="the process that checks the master's next keys",
                limit_s=CHECK_S,
                bytes_max=checker.ANSWER_BYTES_MAX,
                stdin=checker.encode_request(str(self._directory), effect.pinned, trust),
            )
        except HostError as error:
            self._child = None
            self._done.append((trust.serial, "failed", str(error)))

    def keep_server_key(self, effect: KeepServerKey) -> None:
        """Have the key written; if the disk refuses, the announcement that is kept has it too."""
        from limpet.minion.master_keys.io.key_files import write_current

        public = bytes.fromhex(effect.key)

        def write() -> list[str]:
            try:
                write_current(self._directory, public, self._told)
            except HostError as error:
                return [f"the master's present key is not written down: {error}"]
            return []

        if self._disk_thread is None:
            self._disk_thread = DiskThread()
        self._disk_thread.add(write)

    def collect(self, now: Moment) -> list[tuple[int, Verdict, str]]:
        """Give what became of announcements: serial, verdict, text."""
        for problem in [] if self._disk_thread is None else self._disk_thread.collect():
            self._log.report("error", "master key", problem)
        answer = None if self._child is None else self._child.collect(now)
        if answer is not None:
            from limpet.minion.master_keys.io import checker

            self._child = None
            said = checker.decode_answer(answer.data, answer.problem)
            self._done.append((self._serial, said.verdict, said.text))
        done, self._done = self._done, []
        return done

    def close(self) -> None:
        """End the child, and let what is being written be written."""
        if self._child is not None:
            self._child.close()
            self._child = None
        if self._disk_thread is not None:
            self._disk_thread.close(CLOSE_S)
            self._disk_thread = None
