"""What holds the processes of one job together, so that it can be ended whole.

Everywhere: a session of its own, and a supervisor that is the reaper of every descendant, however
often it forked or made itself a session. Where the minion is a unit of systemd: a scope besides, so
that neither a restart nor an end of the minion's unit touches the job, and the kernel keeps its
limit.
"""

import ctypes
import os
import signal
import time
from typing import Final

from limpet.common.service.systemd import groups
from limpet.common.service.systemd.manager import LIMIT_S, UNIT_EXISTS, Manager, ManagerError
from limpet.common.service.systemd.wire import Variant

SLICE: Final = "limpet-jobs.slice"
AGAIN_S: Final = 0.05
"""Pause before a line to systemd that broke (it starts itself afresh) is tried again."""
AWAY_S: Final = 0.5
"""So long is a systemd waited for at whose socket nobody listens."""

_PR_SET_PDEATHSIG: Final = 1
_PR_SET_CHILD_SUBREAPER: Final = 36

_libc: Final = ctypes.CDLL(None, use_errno=True)


def enter() -> None:
    """Make this process the reaper of whatever it will start. Raises `OSError`."""
    os.setsid()
    _prctl(_PR_SET_CHILD_SUBREAPER, 1)


def unit_of(jid: str, number: int = 0) -> str:
    """Name the scope of a job; a number makes it another where the first is taken."""
    return f"limpet-job-{jid.lower()}{f'-{number}' if number else ''}.scope"


class NoScope(Exception):
    """The job has no scope of its own; says why, in one line."""


class Scope:
    """The scope of the calling process, with whatever it will start."""

    def __init__(self, unit: str, manager: str, memory_bytes_max: int) -> None:
        self.unit = unit
        self._manager = manager
        self._is_limited = memory_bytes_max > 0
        self.memory = groups.MemoryGroup(unit, groups.read())

    @classmethod
    def join(
        cls,
        jid: str,
        function: str,
        *,
        manager: str,
        directory: str,
        memory_bytes_max: int,
        stop_s: float,
        limit_s: float = LIMIT_S,
    ) -> "Scope":
        """Move this process into a new scope; on return it is there. Raises `NoScope`.

        `directory` is where the job's end is written: its file system stays until the job has
        ended. `stop_s`: so long may the job take to end when the host stops.
        """
        begun = time.monotonic()
        until = begun + limit_s
        own = os.getpid()
        unit = unit_of(jid)
        properties = [
            ("PIDs", Variant("au", [own])),
            ("Description", Variant("s", f"limpet job {jid}: {function}")),
            ("Slice", Variant("s", SLICE)),
            # Also: what the kernel ends for want of memory does not make systemd end the rest.
            ("Delegate", Variant("b", True)),
            ("CollectMode", Variant("s", "inactive-or-failed")),
            ("TimeoutStopUSec", Variant("t", int(stop_s * 1e6))),
            ("RequiresMountsFor", Variant("as", [directory])),
        ]
        if memory_bytes_max:
            properties.append(("MemoryMax", Variant("t", memory_bytes_max)))
        while True:
            try:
                _start(manager, unit, properties, until - time.monotonic())
            except ManagerError as error:
                if groups.is_inside(unit, groups.read()):
                    break
                if error.name == UNIT_EXISTS and unit == unit_of(jid):
                    # Of a supervisor that a killed fork server left, or of another minion.
                    unit = unit_of(jid, own)
                    continue
                if error.is_away:
                    until = min(until, begun + AWAY_S)
                if error.name or until - time.monotonic() < 2 * AGAIN_S:
                    raise NoScope(str(error)) from error
                time.sleep(AGAIN_S)
            else:
                break
        return cls(unit, manager, memory_bytes_max)

    def lift_limit(self) -> None:
        """Let what an ended job has left running use memory as it likes, as it would elsewhere."""
        if not self._is_limited:
            return
        unlimited = [("MemoryMax", Variant("t", 2**64 - 1))]
        try:
            with Manager(self._manager) as manager:
                manager.call("SetUnitProperties", "sba(sv)", (self.unit, True, unlimited))
        except ManagerError:
            return  # then it stays limited, as `systemctl show` of the scope says


def _start(manager: str, unit: str, properties: list[tuple[str, Variant]], limit_s: float) -> None:
    with Manager(manager, limit_s=limit_s) as line:
        line.call("StartTransientUnit", "ssa(sv)a(sa(sv))", (unit, "fail", properties, []))
        line.wait_until(
            lambda: groups.is_inside(unit, groups.read()), f"move the job's process into {unit}"
        )


def enter_below(supervisor: int) -> None:
    """Make this child of the supervisor a process group of its own that dies with its supervisor.

    A group of its own, because a script that says `kill 0` means its own processes; the session
    stays the supervisor's, by which what a killed supervisor leaves behind is found.
    """
    os.setpgid(0, 0)
    _prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != supervisor:  # it died before the kernel was asked
        os.kill(os.getpid(), signal.SIGKILL)


def allow_to_be_ended_for_memory() -> None:
    """Undo the protection that a service manager gave the minion: jobs are the first to go."""
    try:
        with open("/proc/self/oom_score_adj", "r+b", buffering=0) as file:
            if int(file.read(20)) < 0:
                file.write(b"0")
    except OSError:
        return  # no such file in some containers: then there is no protection either


def _prctl(option: int, value: int) -> None:
    if _libc.prctl(option, ctypes.c_ulong(value), 0, 0, 0) != 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))
