"""One host: a systemd of its own, on its own disk, behind its own cable; and what may befall it.

What a host can't have: a clock of its own. Containers share the machine's clock, so a clock that
is wrong, or that jumps, is tried elsewhere.
"""

import contextlib
import json
import os
import shlex
import shutil
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

from limpet_lab.cgroups import Group
from limpet_lab.disk import Disk
from limpet_lab.network import Direction, Network, namespaces
from limpet_lab.place import Place
from limpet_lab.running import LabError, Result, detach, run, wait_until

BOOT_TIMEOUT_S = 90.0
"""Seen: 2 to 8 s; six hosts that boot at once on two busy cores take longer."""

REBOOT_ASKED = 133
"""What systemd-nspawn ends with, when its container wants to be started again."""

_POWER_SCRIPT = f"""
# A machine's power: on until the host shuts itself down; started again when it reboots.
trap '' HUP
while :; do
    "$@"
    code=$?
    echo "$(date +%FT%T) the host's container ended with $code"
    [ $code = {REBOOT_ASKED} ] || exit 0
done
"""


@dataclass(slots=True)
class Kept:
    """What the lab remembers of a host."""

    name: str
    address: str
    machine_id: str
    cut: Direction | None = None


class Host:
    """One host of a lab."""

    def __init__(self, place: Place, network: Network, base: Path, kept: Kept) -> None:
        self._place = place
        self._network = network
        self._base = base
        self._kept = kept
        self._directory = place.hosts / kept.name
        self._group = Group(f"{place.name}/{kept.name}")
        self.disk = Disk(self._directory)

    @property
    def name(self) -> str:
        """The host's name, which the lab's DNS knows."""
        return self._kept.name

    @property
    def address(self) -> str:
        """The host's present address."""
        return self._kept.address

    # Power

    def make(self, image: Path | None = None) -> None:
        """Make the host's disk (of an image, if there is one), with a name and an identity."""
        self._directory.mkdir(parents=True, exist_ok=True)
        self.disk.make(image)
        self.disk.mount(self._base)
        self._write_root("etc/hostname", f"{self.name}\n")
        self._write_root("etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {self.name}\n")
        self._write_root("etc/machine-id", f"{self._kept.machine_id}\n")
        self._save()

    def power_on(self) -> None:
        """Switch the host on, without waiting for it."""
        if self.is_on():
            raise LabError(f"{self.name} is on already")
        self.disk.mount(self._base)
        self._network.make()
        namespace = self._network.connect(self.name, self.address)
        if self._kept.cut is None:
            self._network.heal(self.name)
        else:
            self._network.cut(self.name, self._kept.cut)
        self._group.make()
        nspawn = [
            "systemd-nspawn", "--quiet", "--register=no", "--keep-unit", "--settings=no", "--boot",
            f"--network-namespace-path={namespace}", f"--directory={self.disk.root}",
            f"--machine={self.name}", f"--uuid={self._kept.machine_id}", "--resolv-conf=off",
            "--timezone=off", "--link-journal=no", "--console=read-only",
        ]  # fmt: skip
        command = self._group.entering(["sh", "-c", _POWER_SCRIPT, "sh", *nspawn])
        detach(command, self._directory / "console.log")

    def wait_up(self, timeout_s: float = BOOT_TIMEOUT_S) -> float:
        """Wait until the host has booted; returns how long that took, in seconds."""
        since = time.monotonic()

        def booted() -> bool:
            first = self.first_process()
            asked = ["systemctl", "is-system-running"]
            if first is None:
                return False
            return run(self._entering(first, asked)).out.strip() in ("running", "degraded")

        if not wait_until(booted, timeout_s):
            console = (self._directory / "console.log").read_text(errors="replace")[-1500:]
            raise LabError(f"{self.name} did not boot within {timeout_s:g} s; console: {console}")
        return time.monotonic() - since

    def boot(self, timeout_s: float = BOOT_TIMEOUT_S) -> float:
        """Switch the host on and wait until it is up; returns how long that took, in seconds."""
        self.power_on()
        return self.wait_up(timeout_s)

    def power_off(self) -> None:
        """Cut the host's power: all processes gone at once, no connection closed, nothing synced.

        The machine's page cache survives: what a process had written is there at the next boot.
        """
        with contextlib.suppress(LabError):  # no rule survives the cable; only silence matters
            self._network.cut(self.name, "both")
        self._group.kill(first=self.first_process())
        self._network.disconnect(self.name)
        self._group.remove()

    def shutdown(self, timeout_s: float = 60.0) -> None:
        """Let the host shut down in order, and wait until it is off."""
        self.exec(["systemctl", "--no-block", "poweroff"]).checked()
        if not wait_until(lambda: not self._group.processes(), timeout_s):
            raise LabError(f"{self.name} did not shut down within {timeout_s:g} s")
        self._network.disconnect(self.name)
        self._group.remove()

    def reboot(self, timeout_s: float = BOOT_TIMEOUT_S) -> float:
        """Let the host restart in order; returns how long it took until it was up, in seconds."""
        since = time.monotonic()
        before = self.first_process()
        if before is None:
            raise LabError(f"{self.name} is off: boot it instead")
        self.exec(["systemctl", "--no-block", "reboot"]).checked()
        if not wait_until(lambda: self.first_process() not in (before, None), timeout_s):
            raise LabError(f"{self.name} did not come back within {timeout_s:g} s of its reboot")
        self.wait_up(timeout_s)
        return time.monotonic() - since

    def is_on(self) -> bool:
        """Whether anything of the host runs."""
        return bool(self._group.processes())

    def remove(self) -> None:
        """Switch off, and take away all there is of the host, its disk too."""
        self.power_off()
        self.disk.unmount()
        shutil.rmtree(self._directory, ignore_errors=True)

    # Work

    def exec(
        self,
        argv: Sequence[str] | str,
        timeout_s: float = 60.0,
        *,
        given: str = "",
        environment: dict[str, str] | None = None,
    ) -> Result:
        """Run a command as root in the host (a text: by its shell), within `timeout_s` seconds."""
        first = self.first_process()
        if first is None:
            raise LabError(f"{self.name} is off: boot it first")
        words = ["sh", "-c", argv] if isinstance(argv, str) else list(argv)
        given_env = [f"{key}={value}" for key, value in (environment or {}).items()]
        command = self._entering(first, [*_ENVIRONMENT, *given_env, *words])
        return run(command, timeout_s=timeout_s, given=given, shown=(f"{self.name}:", *words))

    def background(self, argv: Sequence[str] | str, log: Path) -> "subprocess.Popen[bytes]":
        """Start a command in the host and return at once; its output goes to `log` out here.

        The caller ends it; it ends with the host in any case.
        """
        first = self.first_process()
        if first is None:
            raise LabError(f"{self.name} is off: boot it first")
        words = ["sh", "-c", argv] if isinstance(argv, str) else list(argv)
        with log.open("ab") as file:
            return subprocess.Popen(
                self._entering(first, [*_ENVIRONMENT, *words]),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=file,
                start_new_session=True,
            )

    def shell(self) -> int:
        """Give the person at the terminal a shell in the host; returns what it ended with."""
        first = self.first_process()
        if first is None:
            raise LabError(f"{self.name} is off: boot it first")
        term = f"TERM={os.environ.get('TERM', 'dumb')}"
        inside = [*_ENVIRONMENT, term, "env", "--chdir=/root", "bash", "--login"]
        return subprocess.call(self._entering(first, inside))

    def push(self, local: Path, remote: str | None = None, mode: int | None = None) -> str:
        """Copy a file into the host (by default below /root); returns where it is there."""
        there = remote or f"/root/{local.name}"
        with local.open("rb") as file:
            self._receive(file.read(), there, mode or local.stat().st_mode & 0o777)
        return there

    def write(self, remote: str, text: str, mode: int = 0o644) -> None:
        """Write a file in the host; its directory is made where needed."""
        self._receive(text.encode(), remote, mode)

    def read(self, remote: str) -> str:
        """Read a file of the host; raises LabError if it isn't there."""
        return self.exec(["cat", remote]).checked().out

    def _receive(self, content: bytes, remote: str, mode: int) -> None:
        # Through the host's own root rather than through a pipe: packages have many megabytes.
        first = self.first_process()
        if first is None:
            raise LabError(f"{self.name} is off: boot it first")
        where = shlex.quote(remote)
        self.exec(f"mkdir -p $(dirname {where}) && : >{where} && chmod {mode:o} {where}").checked()
        with Path(f"/proc/{first}/root{remote}").open("wb") as file:
            file.write(content)

    def logs(self, unit: str, lines: int = 200) -> str:
        """Give the last lines of a unit's journal, or what there is of a host that is off."""
        if self.first_process() is not None:
            return self.exec(["journalctl", "-u", unit, "-n", str(lines), "--no-pager"]).out
        journal = self.disk.root / "var/log/journal"
        return run(["journalctl", "-D", str(journal), "-u", unit, "-n", str(lines)]).out

    # Faults

    def cut(self, direction: Direction = "both") -> None:
        """Cut the cable: everything (or what comes in, or what goes out) vanishes silently."""
        self._network.cut(self.name, direction)
        self._kept.cut = direction
        self._save()

    def heal(self) -> None:
        """Mend the cable."""
        self._network.heal(self.name)
        self._kept.cut = None
        self._save()

    def readdress(self, address: str) -> None:
        """Move the host to another address (at once, if it is on); DNS is not told."""
        if self.is_on():
            self._network.readdress(self.name, address)
        self._kept.address = address
        self._save()

    def fill_disk(self, left_bytes: int = 0) -> None:
        """Take all space of the host's disk, but `left_bytes`."""
        self.disk.fill(left_bytes)

    def free_disk(self) -> None:
        """Give the space back."""
        self.disk.free()

    def signal(self, unit: str, name: str) -> None:
        """Send a signal (`STOP`, `CONT`, `KILL`, …) to all processes of a unit."""
        self.exec(["systemctl", "kill", "--kill-who=all", f"--signal=SIG{name}", unit]).checked()

    # What the machine shows of it

    def first_process(self) -> int | None:
        """Give the process of the machine that is the host's first, or None while there is none."""
        for pid in self._group.processes():
            try:
                status = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
                name = os.readlink(f"/proc/{pid}/exe")
            except OSError:
                continue
            spaces = next((x for x in status.splitlines() if x.startswith("NSpid:")), "").split()
            if len(spaces) == 3 and spaces[2] == "1" and name.endswith("/systemd"):
                return pid
        return None

    def _entering(self, first: int, argv: Sequence[str]) -> list[str]:
        entering = ["nsenter", "--target", str(first), "--all", "--wd", *argv]
        return self._group.entering(entering, below="payload/lab-exec")

    def _write_root(self, path: str, text: str) -> None:
        file = self.disk.root / path
        file.unlink(missing_ok=True)
        file.write_text(text, encoding="utf-8")

    def _save(self) -> None:
        fresh = self._directory / "host.fresh"
        fresh.write_text(json.dumps(asdict(self._kept)), encoding="utf-8")
        fresh.replace(self._directory / "host.json")

    def is_connected(self) -> bool:
        """Whether the host's cable is there."""
        return self._place.name_of(self.name) in namespaces()


_ENVIRONMENT = (
    "env", "-i", "HOME=/root", "LANG=C.UTF-8",
    "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
)  # fmt: skip
