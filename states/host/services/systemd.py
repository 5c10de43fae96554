"""Services as units of systemd, through `systemctl` alone: no shell, every call with a limit.

Before it acts on a unit whose file has changed since systemd read it (`NeedDaemonReload`), it has
systemd read its files again: else the old definition would be started.
"""

import re
from typing import Final, Literal

from limpet.common.errors import HostError
from limpet.states.ports import programs
from limpet.states.ports.machine import Commands
from limpet.states.ports.services import Service, ServiceAction

_LOOK_S: Final = 30.0
_ACT_S: Final = 900.0
"""systemd ends a start or stop itself, after the unit's own limit; this stands behind it."""
_KINDS: Final = (
    "service", "socket", "device", "mount", "automount", "swap", "target", "path", "timer",
    "slice", "scope", "snapshot",
)  # fmt: skip
_NAME: Final = re.compile(r"[A-Za-z0-9:_.\\@][A-Za-z0-9:_.\\@-]{0,254}")
_ENABLED: Final = frozenset(
    ("enabled", "enabled-runtime", "static", "indirect", "alias", "generated", "transient")
)
"""`systemctl is-enabled` ends with 0 for these, and Salt calls them enabled."""
_SHOWN: Final = "LoadState,ActiveState,UnitFileState,NeedDaemonReload,FragmentPath"


def unit_of(name: str) -> str:
    """Give the unit's whole name: `nginx` is `nginx.service`. Raises `HostError` for odd names."""
    if not _NAME.fullmatch(name):
        raise HostError(f"{name!r:.80} can't be the name of a service")
    return name if name.rpartition(".")[2] in _KINDS and "." in name else f"{name}.service"


class Systemd:
    """Implements `limpet.states.ports.services.Services`."""

    kind: Literal["systemd", "sysv"] = "systemd"
    is_offline = False

    def __init__(self, commands: Commands) -> None:
        self._commands = commands

    def look(self, name: str) -> Service:
        """Look at one service; one that is not known, or can't be by its name, is not available."""
        if not _NAME.fullmatch(name):
            return Service(name, is_available=False)
        found = self._shown(unit_of(name), _SHOWN)
        load, boot = found.get("LoadState", "not-found"), found.get("UnitFileState", "")
        if load == "masked" and not boot.startswith("masked"):
            boot = "masked"
        if load not in ("not-found", "") and boot in ("", "generated"):
            # A unit that was made of an init script: only the script's own tools know its boot.
            boot = self._said(["is-enabled", "--", unit_of(name)])
        is_for_now = boot == "masked-runtime" or (
            boot == "masked" and found.get("FragmentPath", "").startswith("/run/")
        )
        return Service(
            name,
            is_available=load != "not-found",
            is_running=found.get("ActiveState") in ("active", "reloading"),
            boot=boot,
            is_enabled=boot in _ENABLED,
            is_masked=boot == "masked" and not is_for_now,
            is_masked_for_now=is_for_now,
        )

    def boot_states(self) -> dict[str, str]:
        """Give what happens at boot with each service that there is, by its name."""
        answer = self._systemctl(["list-unit-files", "--full", "--no-legend", "--no-pager"])
        found = {}
        for line in answer.checked().stdout.splitlines():
            words = line.split()
            if len(words) > 1:
                found[_short(words[0])] = words[1]
        return found

    def running(self) -> list[str]:
        """Name the units that are active now."""
        options = ["--full", "--no-legend", "--no-pager", "--plain", "--state=active"]
        answer = self._systemctl(["list-units", *options]).checked()
        return sorted(
            _short(line.split()[0]) for line in answer.stdout.splitlines() if line.split()
        )

    def control(self, name: str, action: ServiceAction, *, is_waiting: bool = True) -> None:
        """Start, stop and so on; wait until that is done."""
        verb = "reload-or-restart" if action == "force-reload" else action
        options = [] if is_waiting else ["--no-block"]
        self._act([*options, verb], name)

    def set_at_boot(self, name: str, is_enabled: bool) -> None:
        """Have it started at boot, or not."""
        self._act(["enable" if is_enabled else "disable"], name)

    def set_mask(self, name: str, is_masked: bool, *, is_for_now: bool = False) -> None:
        """Keep it from being started by anybody, or allow that again."""
        verb = "mask" if is_masked else "unmask"
        self._act(["--runtime", verb] if is_for_now else [verb], name)

    def refresh(self) -> None:
        """Have systemd read its unit files again."""
        self._systemctl(["--system", "daemon-reload"], limit_s=_ACT_S).checked()

    def properties(self, name: str) -> dict[str, str]:
        """Give all that systemd knows of a unit."""
        return self._shown(unit_of(name), "")

    def _act(self, words: list[str], name: str) -> None:
        unit = unit_of(name)
        if self._shown(unit, "NeedDaemonReload").get("NeedDaemonReload") == "yes":
            self.refresh()
        self._systemctl([*words, "--", unit], limit_s=_ACT_S).checked()

    def _shown(self, unit: str, properties: str) -> dict[str, str]:
        words = ["show", *([f"--property={properties}"] if properties else []), "--", unit]
        found = {}
        for line in self._systemctl(words).checked().stdout.splitlines():
            key, equals, value = line.partition("=")
            if equals:
                found[key] = value
        return found

    def _said(self, words: list[str]) -> str:
        lines = self._systemctl(words).stdout.split()
        return lines[-1] if lines else ""

    def _systemctl(self, words: list[str], *, limit_s: float = _LOOK_S) -> programs.Answer:
        return programs.run(self._commands, ["systemctl", *words], limit_s=limit_s)


def _short(unit: str) -> str:
    """Give a unit's name as Salt has it: a service without its ending."""
    return unit.removesuffix(".service")
