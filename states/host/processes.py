"""The process table of this machine."""

import contextlib
import os
import signal
import time
from collections.abc import Sequence
from typing import Any

import psutil

from limpet.common.errors import HostError, UsageError
from limpet.states.ports.machine import Process

_SEEN = ["pid", "ppid", "name", "cmdline", "username", "status", "create_time", "cpu_times"]


class LocalProcesses:
    """Implements `limpet.states.ports.machine.Processes`."""

    def all(self) -> list[Process]:
        """All processes that this user may see."""
        found: list[Process] = []
        for each in psutil.process_iter([*_SEEN, "memory_info"]):
            facts = each.info
            times = facts["cpu_times"]
            memory = facts["memory_info"]
            found.append(
                Process(
                    pid=facts["pid"],
                    ppid=facts["ppid"] or 0,
                    name=facts["name"] or "",
                    cmdline=tuple(facts["cmdline"] or ()),
                    user=facts["username"] or "",
                    state=facts["status"] or "",
                    started_wall_s=facts["create_time"] or 0.0,
                    cpu_user_s=times.user if times else 0.0,
                    cpu_system_s=times.system if times else 0.0,
                    memory=dict(memory._asdict()) if memory else {},
                )
            )
        return found

    def details(self, pid: int, attributes: Sequence[str] | None) -> dict[str, Any]:
        """Everything (or the named facts) about one process. `HostError` if it is not there."""
        try:
            return psutil.Process(pid).as_dict(None if attributes is None else list(attributes))
        except psutil.NoSuchProcess:
            raise HostError(f"there is no process {pid}") from None
        except psutil.Error as error:
            raise HostError(f"cannot look at process {pid}: {error}") from error
        except ValueError as error:
            raise UsageError(f"ps.proc_info: {error}") from None

    def signal(self, pid: int, number: int) -> bool:
        """Send a signal; False if there is no such process."""
        if number not in signal.valid_signals():
            raise UsageError(f"there is no signal {number} on this system")
        if pid <= 0:
            raise UsageError(f"{pid} is not the number of one process")
        try:
            os.kill(pid, number)
        except (ProcessLookupError, OverflowError):
            return False
        except PermissionError:
            raise HostError(f"this user may not send a signal to process {pid}") from None
        return True

    def busiest(self, count: int, interval_s: float) -> list[dict[str, Any]]:
        """Give the processes that used most processor time within the interval, busiest first."""
        before: dict[psutil.Process, float] = {}
        for each in psutil.process_iter():
            with contextlib.suppress(psutil.Error):
                before[each] = sum(each.cpu_times()[:2])
        time.sleep(interval_s)
        used: list[tuple[float, psutil.Process]] = []
        for each, earlier in before.items():
            with contextlib.suppress(psutil.Error):
                used.append((sum(each.cpu_times()[:2]) - earlier, each))
        used.sort(key=lambda pair: pair[0], reverse=True)
        found: list[dict[str, Any]] = []
        for spent, each in used:
            with contextlib.suppress(psutil.Error):
                facts = each.as_dict(
                    ["cmdline", "name", "status", "pid", "create_time", "username"]
                )
                facts["cpu_s"] = spent
                facts["times"] = dict(each.cpu_times()._asdict())
                facts["memory"] = dict(each.memory_info()._asdict())
                found.append(facts)
            if len(found) >= count:
                break
        return found
