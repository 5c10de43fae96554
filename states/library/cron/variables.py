"""`cron.env_present` and `cron.env_absent`."""

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.functions.cron.tab import parse
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def env_present(
    context: StateContext, name: str, value: Loose = None, user: str = "root", **_odd: Loose
) -> Outcome:
    """See to it that a variable is set for the jobs of the crontab."""
    text = "" if value is None else str(value)
    try:
        if context.is_test:
            found = parse(context.call("cron.raw_cron", user)).variables.get(name)
            if found == text:
                return Outcome(True, f"Cron env {name} already present")
            done = "added" if found is None else "updated"
            return Outcome(None, f"Cron env {name} is set to be {done}")
        told = context.call("cron.set_env", user, name, text)
    except HostError as error:
        told = str(error)
    if told == "present":
        return Outcome(True, f"Cron env {name} already present")
    if told == "new":
        return Outcome(True, f"Cron env {name} added to {user}'s crontab", {user: name})
    if told == "updated":
        return Outcome(True, f"Cron env {name} updated", {user: name})
    return failed(f"Cron env {name} for user {user} failed to commit with error \n{told}")


def env_absent(context: StateContext, name: str, user: str = "root", **_odd: Loose) -> Outcome:
    """See to it that a variable does not stand in the managed part of the crontab."""
    try:
        if context.is_test:
            if name not in parse(context.call("cron.raw_cron", user)).variables:
                return Outcome(True, f"Cron env {name} already absent")
            return Outcome(None, f"Cron env {name} is set to be removed")
        told = context.call("cron.rm_env", user, name)
    except HostError as error:
        told = str(error)
    if told == "absent":
        return Outcome(True, f"Cron env {name} already absent")
    if told == "removed":
        return Outcome(True, f"Cron env {name} removed from {user}'s crontab", {user: name})
    return failed(f"Cron env {name} for user {user} failed to commit with error {told}")
