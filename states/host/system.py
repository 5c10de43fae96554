"""The machine as a whole: processors, memory, time, and this process."""

import os
import platform
import random
import sys
import time
from collections.abc import Mapping
from typing import Any

import psutil


class LocalSystem:
    """Implements `limpet.states.ports.machine.System`."""

    def __init__(self) -> None:
        self._chance = random.SystemRandom()

    def uname(self) -> Mapping[str, str]:
        """Give `system`, `node`, `release`, `version`, `machine`."""
        found = os.uname()
        return {
            "system": found.sysname,
            "node": found.nodename,
            "release": found.release,
            "version": found.version,
            "machine": found.machine,
        }

    def cpu_count(self) -> int:
        """How many processors there are."""
        return psutil.cpu_count() or 1

    def cpu_percent(self, interval_s: float, per_cpu: bool) -> float | list[float]:
        """How busy the processors were during the interval."""
        if per_cpu:
            return psutil.cpu_percent(interval_s, percpu=True)
        return psutil.cpu_percent(interval_s)

    def cpu_times(self, per_cpu: bool) -> dict[str, float] | list[dict[str, float]]:
        """Seconds that the processors have spent, by mode."""
        if per_cpu:
            return [dict(each._asdict()) for each in psutil.cpu_times(percpu=True)]
        return dict(psutil.cpu_times()._asdict())

    def load_average(self) -> tuple[float, float, float]:
        """Over 1, 5 and 15 minutes."""
        return os.getloadavg()

    def virtual_memory(self) -> dict[str, Any]:
        """Memory in bytes."""
        return dict(psutil.virtual_memory()._asdict())

    def swap_memory(self) -> dict[str, Any]:
        """Swap in bytes."""
        return dict(psutil.swap_memory()._asdict())

    def boot_wall_s(self) -> float:
        """When the machine was started, in seconds since 1970."""
        return psutil.boot_time()

    def users(self) -> list[dict[str, Any]]:
        """Who is logged in."""
        return [dict(each._asdict()) for each in psutil.users()]

    def network_counters(self, interface: str | None) -> dict[str, Any]:
        """Bytes, packets, errors and drops of one interface or of all together; {}: no such one."""
        if interface is None:
            whole = psutil.net_io_counters()
            return dict(whole._asdict()) if whole else {}
        one = psutil.net_io_counters(pernic=True).get(interface)
        return dict(one._asdict()) if one else {}

    def now(self) -> float:
        """Seconds since 1970."""
        return time.time()

    def sleep(self, seconds: float) -> None:
        """Wait."""
        time.sleep(seconds)

    def random(self) -> float:
        """Give a number from 0 up to 1, not guessable."""
        return self._chance.random()

    def facts(self) -> Mapping[str, Any]:
        """Give what this process knows of itself."""
        return {
            "version": platform.python_version(),
            "version_info": list(sys.version_info),
            "executable": sys.executable,
            "path": list(sys.path),
            "pid": os.getpid(),
            "ppid": os.getppid(),
            "encoding": sys.getfilesystemencoding(),
            "timezone": time.tzname[0],
        }
