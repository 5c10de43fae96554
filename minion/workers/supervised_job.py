"""One job as the link sees it: its supervisor's process, watched by a pidfd, and how far it is."""

import os
import select
from typing import Literal

from limpet.common.clock import FOREVER, Instant
from limpet.common.identifiers import JobId
from limpet.minion.workers import process_table
from limpet.minion.workers.fork_server_messages import Spawn

State = Literal["asked", "held", "running", "reading"]


class SupervisedJob:
    """One job that has, or will have, a supervisor."""

    def __init__(self, jid: JobId, spawn: Spawn | None, give_up: Instant) -> None:
        self.jid = jid
        self.spawn = spawn
        """None: adopted."""
        self.state: State = "asked"
        self.give_up = give_up
        """Until when the supervisor must hold the job; FOREVER afterwards."""
        self.attempts = 0
        """How often a fork server was asked for it."""
        self.pid = 0
        self.process_start = 0
        self.pidfd = -1
        self.started_wall_s = 0.0
        self.is_streamed = spawn is not None and spawn.is_streamed
        self.output_offset = 0
        """How far its output was read; the disk thread's."""
        self.is_tailing = False
        """A disk task is reading its output."""
        self.next_tail: Instant = FOREVER

    @property
    def has_ended(self) -> bool:
        """Say, without waiting, whether its supervisor has ended."""
        poll = select.poll()
        poll.register(self.pidfd, select.POLLIN)
        return bool(poll.poll(0))

    def watch(self, pid: int, process_start: int) -> bool:
        """Begin to wait for its supervisor's end; False if it has come, or can't be waited for."""
        self.pid, self.process_start = pid, process_start
        try:
            self.pidfd = os.pidfd_open(pid)
        except OSError:
            self.pidfd = -1
        if self.pidfd >= 0 and process_table.start_time(pid) == process_start:
            return True
        self.close()
        return False

    def reap(self) -> None:
        """Bury a supervisor that became this process's child (it is process 1 of a container)."""
        if not self.pid:
            return
        try:
            os.waitpid(self.pid, os.WNOHANG)
        except ChildProcessError:
            return  # the usual case: the fork server, or the system's first process, does it

    def close(self) -> None:
        """Watch it no more."""
        if self.pidfd >= 0:
            os.close(self.pidfd)
            self.pidfd = -1
