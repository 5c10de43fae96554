"""The `supervisord` states: a process or group under supervisord runs or does not."""

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed

_FAILURES = ("no such", "error", "fatal", "refused")


def running(
    context: StateContext,
    name: str,
    restart: bool = False,
    update: bool = False,
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that a process runs; `name:` or `name:*` is a whole group."""
    where = {"user": user, "conf_file": conf_file, "bin_env": bin_env}
    try:
        known = _known(context, name, where)
        is_new = not known
        is_down = not all(each["state"] in ("RUNNING", "STARTING") for each in known.values())
        if context.is_test:
            return _announced(name, is_new, is_down, restart, update)
        lines = []
        if is_new or update:
            told = context.call("supervisord.reread", **where)
            if _is_bad(told, ignoring="no config updates"):
                return failed(told)
            function, word = (
                ("supervisord.update", "Updating supervisor")
                if update
                else ("supervisord.add", f"Adding service: {name}")
            )
            arguments = [] if update else [name.partition(":")[0]]
            told = context.call(function, *arguments, **where)
            if is_new and _is_bad(told):
                return failed(told)
            lines.append(word)
            before, known = known, _known(context, name, where)
            is_changed = is_new or before != known
        else:
            is_changed = False
        is_down = not known or not all(
            each["state"] in ("RUNNING", "STARTING") for each in known.values()
        )
        if is_down or restart:
            function, word = (
                ("supervisord.restart", "Restarting") if restart and not is_new and not is_down
                else ("supervisord.start", "Starting")
            )  # fmt: skip
            told = context.call(function, name, **where)
            if _is_bad(told, ignoring="already started"):
                return failed(f"{word} service: {name}: {told}")
            lines.append(f"{word} service: {name}")
            is_changed = True
        if not is_changed:
            return Outcome(True, f"Not starting already running service: {name}")
    except HostError as error:
        return failed(str(error))
    return Outcome(True, told or lines[-1], {name: lines[-1]})


def dead(
    context: StateContext,
    name: str,
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that a process does not run."""
    where = {"user": user, "conf_file": conf_file, "bin_env": bin_env}
    try:
        known = _known(context, name, where)
        if not known:
            return Outcome(True, f"Service {name} doesn't exist")
        if all(each["state"] in ("STOPPED", "EXITED", "FATAL") for each in known.values()):
            return Outcome(True, f"Service {name} is not running")
        if context.is_test:
            return Outcome(None, f"Service {name} is set to be stopped")
        told = context.call("supervisord.stop", name, **where)
    except HostError as error:
        return failed(str(error))
    if _is_bad(told, ignoring="not running"):
        return failed(told)
    return Outcome(True, told, {name: f"Stopping service: {name}"})


def mod_watch(
    context: StateContext,
    name: str,
    restart: bool = True,
    update: bool = False,
    user: str | None = None,
    conf_file: str | None = None,
    bin_env: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """Restart the process: something that it watches has changed."""
    return running(context, name, restart, update, user, conf_file, bin_env)


def _known(
    context: StateContext, name: str, where: dict[str, str | None]
) -> dict[str, dict[str, str]]:
    """Give the processes that are meant, with what supervisord says of them."""
    every: dict[str, dict[str, str]] = context.call("supervisord.status", **where)
    if name.endswith(("*", ":")):
        group = name.rstrip("*").rstrip(":")
        return {each: found for each, found in every.items() if each.partition(":")[0] == group}
    return {each: found for each, found in every.items() if each in (name, f"{name}:{name}")}


def _announced(name: str, is_new: bool, is_down: bool, restart: bool, update: bool) -> Outcome:
    if is_new:
        return Outcome(None, f"Service {name} is set to be added")
    if is_down:
        return Outcome(None, f"Service {name} is set to be started")
    if restart:
        return Outcome(None, f"Service {name} is set to be restarted")
    if update:
        return Outcome(None, f"Service {name} is set to be updated where its configuration changed")
    return Outcome(True, f"Service {name} is already running")


def _is_bad(told: str, ignoring: str = "") -> bool:
    lowered = told.lower()
    if ignoring and ignoring in lowered:
        return False
    return any(each in lowered for each in _FAILURES)
