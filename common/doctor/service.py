"""The service of a role as systemd has it."""

import os
import time
from collections.abc import Iterable
from typing import Final

from limpet.common.errors import HostError
from limpet.common.setup import units
from limpet.common.setup.findings import Finding, fail, ok, warn

RECENT_S: Final = 3600.0


def look(unit: str, *, is_wanted: bool = True, is_enabled_itself: bool = True) -> Iterable[Finding]:
    """Look at a unit.

    `is_wanted`: it is configured, so that it should run. `is_enabled_itself`: it has to be on by
    itself, not through another one.
    """
    if not units.is_booted():
        yield ok("service", "no systemd here: somebody else starts it")
        return
    try:
        state = units.state_of(unit)
    except HostError as silence:
        if os.geteuid() == 0:
            raise
        yield warn("service", str(silence), "run `limpet doctor` as root to look at it as well")
        return
    if not is_wanted and state.active == "inactive":
        yield ok("service", f"{unit} is {state.text}: it is not configured yet")
        return
    if not state.is_installed:
        yield warn(
            "service", f"{unit} is not installed", "install the package, for a start at boot"
        )
        return
    if state.enabled == "masked":
        yield fail("service", f"{unit} is masked", f"systemctl unmask {unit}")
        return
    error = units.last_error(unit, time.time() - RECENT_S)
    because = f": {error}" if error else ""
    log = f"`journalctl -u {unit}` says more"
    if state.active != "active":
        advice = f"{log}; `systemctl start {unit}`"
        if state.active in ("activating", "reloading"):
            advice = f"{log}; it goes on trying by itself"
        result = "" if state.result in ("success", "") else f", {state.result}"
        yield fail("service", f"{unit} is {state.text}{result}{because}", advice)
    elif state.restarts:
        text = f"{unit} is {state.text}, and was restarted {state.restarts} times{because}"
        yield warn("service", text, log)
    else:
        yield ok("service", f"{unit} is {state.text}")
    if is_enabled_itself and state.enabled not in ("enabled", "enabled-runtime", "static", "alias"):
        text = f"{unit} is {state.enabled or 'not enabled'}: it does not start at boot"
        yield warn("service", text, f"systemctl enable {unit}")
