"""File systems and block devices. A file system that hangs costs its limit, not the caller.

`statvfs` on a dead network mount blocks beyond any signal, so it runs in a thread that is left
behind when its time is over; it can't keep the process alive.
"""

import os
import threading
from collections.abc import Callable
from typing import Any

import psutil


class LocalDisks:
    """Implements `limpet.states.ports.machine.Disks`; `ask` is the system's question for sizes."""

    def __init__(self, ask: Callable[[str], os.statvfs_result] = os.statvfs) -> None:
        self._ask = ask

    def partitions(self, every: bool) -> list[dict[str, Any]]:
        """Mounted file systems."""
        return [
            {
                "device": each.device,
                "mountpoint": each.mountpoint,
                "fstype": each.fstype,
                "opts": each.opts,
            }
            for each in psutil.disk_partitions(all=every)
        ]

    def usage(self, path: str, *, limit_s: float) -> dict[str, int] | None:
        """Give sizes in bytes and numbers of inodes; None if it hangs or fails."""
        found: list[os.statvfs_result] = []

        def look() -> None:
            try:
                found.append(self._ask(path))
            except (OSError, ValueError):
                return

        thread = threading.Thread(target=look, daemon=True)
        thread.start()
        thread.join(limit_s)
        if not found:
            return None
        answer = found[0]
        return {
            "total": answer.f_blocks * answer.f_frsize,
            "used": (answer.f_blocks - answer.f_bfree) * answer.f_frsize,
            "free": answer.f_bavail * answer.f_frsize,
            "inodes": answer.f_files,
            "inodes_free": answer.f_ffree,
        }

    def counters(self, device: str | None) -> dict[str, Any]:
        """Count reads and writes of one device or of all together; {}: no such device."""
        if device is None:
            whole = psutil.disk_io_counters()
            return dict(whole._asdict()) if whole else {}
        one = psutil.disk_io_counters(perdisk=True).get(device)
        return dict(one._asdict()) if one else {}
