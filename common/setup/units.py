"""Services of the host as systemd has them: state, start, and what the journal says last.

Through `systemctl` and `journalctl`, which are there wherever systemd is. Other service managers
are not known; there a person starts the daemons.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from limpet.common.errors import HostError
from limpet.common.setup.findings import Finding, ok, warn
from limpet.common.setup.tools import run_tool

ASK_S: Final = 5.0
CHANGE_S: Final = 20.0
JOURNAL_LINES: Final = 100
ERROR_PRIORITY: Final = 3
LINE_CHARACTERS_MAX: Final = 500

_BOOTED: Final = Path("/run/systemd/system")
_PROPERTIES: Final = (
    "LoadState",
    "ActiveState",
    "SubState",
    "UnitFileState",
    "NRestarts",
    "MainPID",
    "Result",
)


@dataclass(frozen=True, slots=True)
class UnitState:
    """What systemd says of a unit."""

    is_installed: bool
    active: str
    """active, activating, inactive, failed, …"""
    sub: str
    """running, auto-restart, dead, …"""
    enabled: str
    """enabled, disabled, static, masked, …; empty where systemd does not say."""
    restarts: int
    """Since it was last started by hand."""
    pid: int
    result: str
    """success, exit-code, watchdog, oom-kill, …"""

    @property
    def text(self) -> str:
        """In a word or two, as `systemctl status` has it."""
        return f"{self.active} ({self.sub})" if self.sub else self.active


def is_booted() -> bool:
    """Say whether systemd is the service manager of this host (or container)."""
    return _BOOTED.is_dir()


def state_of(unit: str) -> UnitState:
    """Ask for the state of a unit. Raises `HostError` where systemd does not answer."""
    words = ("systemctl", "show", "--no-pager", "--property", ",".join(_PROPERTIES), unit)
    done = run_tool(*words, limit_s=ASK_S)
    found = {
        name: value for name, _, value in (line.partition("=") for line in done.out.split("\n"))
    }
    if "ActiveState" not in found:
        raise HostError(f"systemd does not tell how {unit} is: {done.complaint}")
    return UnitState(
        is_installed=found.get("LoadState", "not-found") not in ("not-found", ""),
        active=found["ActiveState"],
        sub=found.get("SubState", ""),
        enabled=found.get("UnitFileState", ""),
        restarts=_number(found.get("NRestarts", "")),
        pid=_number(found.get("MainPID", "")),
        result=found.get("Result", ""),
    )


def enable(unit: str) -> str:
    """Have the unit started at boot; gives what systemd complains of, empty where all is well.

    Works in an image as well, where no systemd runs. Raises `HostError` where there is none at all.
    """
    done = run_tool("systemctl", "enable", "--quiet", unit, limit_s=CHANGE_S)
    return "" if done.code == 0 else done.complaint


def restart(unit: str) -> str:
    """Start the unit, or end it and start it again, without waiting for it to be ready.

    Gives what systemd complains of, empty where all is well.
    """
    # What failed before must not count; `reset-failed` fails where nothing did.
    run_tool("systemctl", "reset-failed", unit, limit_s=CHANGE_S)
    done = run_tool("systemctl", "restart", "--no-block", unit, limit_s=CHANGE_S)
    return "" if done.code == 0 else done.complaint


def leave_for_boot(unit: str, by_hand: str) -> Finding:
    """Have a service started at the next boot; a key is made then, and not before.

    `unit`: empty where a person starts it, by the command `by_hand`.
    """
    if not unit:
        return ok("not started", f"no key is made before the first start: `{by_hand}`")
    try:
        problem = enable(unit)
    except HostError as error:
        problem = str(error)
    if problem:
        return warn("service", problem, f"it has to be on at boot: `systemctl enable {unit}`")
    return ok("not started", f"{unit} starts at the next boot, and makes a key then")


def last_error(unit: str, since_wall_s: float) -> str:
    """Give the last line of the unit's journal that tells of a mistake; empty: none, or no access.

    `since_wall_s`: seconds since 1970. A line counts if its priority is error or worse, or if it is
    the last word of a limpet command that ends (`limpet: …`).
    """
    since = f"@{int(since_wall_s)}"
    words = ("journalctl", "--unit", unit, "--since", since, "--output", "json", "--no-pager")
    done = run_tool(*words, "--lines", str(JOURNAL_LINES), limit_s=ASK_S)
    for line in reversed(done.out.splitlines()):
        try:
            entry = json.loads(line)
        except ValueError:
            continue
        message = entry.get("MESSAGE") if isinstance(entry, dict) else None
        if not isinstance(message, str):
            continue
        is_grave = _number(str(entry.get("PRIORITY", ""))) <= ERROR_PRIORITY
        is_own = entry.get("_SYSTEMD_UNIT") == unit
        if is_own and ((is_grave and entry.get("PRIORITY")) or message.startswith("limpet: ")):
            return message.removeprefix("limpet: ")[:LINE_CHARACTERS_MAX]
    return ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
