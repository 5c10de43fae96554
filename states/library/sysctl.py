"""The `sysctl` state: a setting of the kernel, now and at the next boot."""

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.functions.sysctl import normal
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def present(
    context: StateContext, name: str, value: Loose, config: str | None = None, **_odd: Loose
) -> Outcome:
    """See to it that a setting of the running kernel and of the file has this value."""
    path = config or context.call("sysctl.default_config")
    try:
        configured = context.call("sysctl.show", config_file=path)
        running = context.call("sysctl.get", name)
    except HostError as error:
        return failed(f"Failed to set {name} to {value}: {error}")
    is_live = normal(running) == normal(value)
    is_in_file = normal((configured or {}).get(name)) == normal(value)
    if is_live and is_in_file:
        return Outcome(True, f"Sysctl value {name} = {value} is already set")
    if context.is_test:
        return Outcome(None, _announced(name, value, configured, is_live, is_in_file))
    try:
        told = context.call("sysctl.persist", name, value, path)
    except HostError as error:
        return failed(f"Failed to set {name} to {value}: {error}")
    if told == "Already set":
        return Outcome(True, f"Sysctl value {name} = {value} is already set")
    return Outcome(True, f"Updated sysctl value {name} = {value}", {name: value})


def _announced(name: str, value: Loose, configured: Loose, is_live: bool, is_in_file: bool) -> str:
    if is_live:
        return (
            f"Sysctl value is currently set on the running system but not in a config file. "
            f"Sysctl option {name} set to be changed to {value} in config file."
        )
    if is_in_file:
        return (
            f"Sysctl option {name} is set in the config file, but not on the running system, "
            f"and would be changed to {value} there"
        )
    if configured is None or name not in configured:
        return f"Sysctl option {name} set to be changed to {value}"
    return f"Sysctl option {name} would be changed to {value}"
