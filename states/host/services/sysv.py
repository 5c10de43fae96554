"""Services as scripts in /etc/init.d, where systemd does not run.

`service` runs them, `update-rc.d` sets the links that start them at boot. Where units of systemd
are there all the same (a container), what has only a unit can't be run, and says so.
"""

import re
from typing import Final, Literal

from limpet.common.errors import HostError
from limpet.states.ports import programs
from limpet.states.ports.machine import Commands, Files
from limpet.states.ports.services import Service, ServiceAction

_LOOK_S: Final = 30.0
_ACT_S: Final = 900.0
_SCRIPTS: Final = "/etc/init.d"
_LEVELS: Final = ("2", "3", "4", "5", "S")
_NAME: Final = re.compile(r"[A-Za-z0-9_.@][A-Za-z0-9_.@+-]{0,254}")
_LINK: Final = re.compile(r"S\d\d(.+)")
_NO_SERVICES: Final = frozenset(("README", "skeleton", "rc", "rcS", "functions", "halt", "single"))
_UNITS: Final = ("/etc/systemd/system", "/lib/systemd/system", "/usr/lib/systemd/system")


class InitScripts:
    """Implements `limpet.states.ports.services.Services`."""

    kind: Literal["systemd", "sysv"] = "sysv"

    def __init__(self, commands: Commands, files: Files) -> None:
        self._commands = commands
        self._files = files

    @property
    def is_offline(self) -> bool:
        """There are units of systemd, which does not run."""
        return programs.find(self._commands, "systemctl") is not None

    def look(self, name: str) -> Service:
        """Look at one service; one that is not known, or can't be by its name, is not available."""
        if not self._has_script(name):
            return Service(name, is_available=self._has_unit(name), boot="")
        answer = programs.run(self._commands, ["service", name, "status"], limit_s=_LOOK_S)
        is_enabled = name in self._started_at_boot()
        return Service(
            name,
            is_available=True,
            is_running=answer.is_good,
            boot="enabled" if is_enabled else "disabled",
            is_enabled=is_enabled,
        )

    def boot_states(self) -> dict[str, str]:
        """Give `enabled` or `disabled` for each script, by its name."""
        enabled = self._started_at_boot()
        scripts = [name for name in self._files.names(_SCRIPTS) if self._has_script(name)]
        return {name: "enabled" if name in enabled else "disabled" for name in scripts}

    def running(self) -> list[str]:
        """Name the services whose script says that they run."""
        return [name for name in self.boot_states() if self.look(name).is_running]

    def control(self, name: str, action: ServiceAction, *, is_waiting: bool = True) -> None:
        """Start, stop and so on; scripts are always waited for."""
        self._known(name)
        answer = programs.run(self._commands, ["service", name, action], limit_s=_ACT_S)
        if not answer.is_good:
            raise HostError(f"service {name} {action}: {answer.complaint}")

    def set_at_boot(self, name: str, is_enabled: bool) -> None:
        """Have it started at boot, or not."""
        self._known(name)
        if is_enabled:  # links first: `enable` only turns those round that there are
            programs.run(self._commands, ["update-rc.d", name, "defaults"]).checked()
        verb = "enable" if is_enabled else "disable"
        programs.run(self._commands, ["update-rc.d", name, verb]).checked()

    def set_mask(self, name: str, is_masked: bool, *, is_for_now: bool = False) -> None:
        """Raise `HostError`: only systemd has masks."""
        raise HostError(f"Service masking not available on this minion: {name} has no unit")

    def refresh(self) -> None:
        """Do nothing: scripts are read each time."""

    def properties(self, name: str) -> dict[str, str]:
        """Give where the script is."""
        self._known(name)
        return {"FragmentPath": f"{_SCRIPTS}/{name}"}

    def _known(self, name: str) -> None:
        if not self._has_script(name):
            raise HostError(f"there is no script {_SCRIPTS}/{name:.80}, and systemd does not run")

    def _has_script(self, name: str) -> bool:
        if not _NAME.fullmatch(name) or name in _NO_SERVICES:
            return False
        return self._files.is_program(f"{_SCRIPTS}/{name}")

    def _has_unit(self, name: str) -> bool:
        if not self.is_offline or not _NAME.fullmatch(name):
            return False
        kinds = ("service", "socket", "timer", "target", "mount", "path")
        whole = name if name.rpartition(".")[2] in kinds else f"{name}.service"
        template = re.sub(r"@.*\.", "@.", whole)
        return any(
            self._files.exists(f"{place}/{each}") for place in _UNITS for each in (whole, template)
        )

    def _started_at_boot(self) -> set[str]:
        found = set()
        for level in _LEVELS:
            for each in self._files.names(f"/etc/rc{level}.d"):
                if match := _LINK.fullmatch(each):
                    found.add(match.group(1))
        return found
