"""`cron.present` and `cron.absent`."""

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.functions.cron import is_same
from limpet.states.functions.cron.tab import TIMES, Job, parse
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def present(
    context: StateContext,
    name: str,
    user: str = "root",
    minute: Loose = "*",
    hour: Loose = "*",
    daymonth: Loose = "*",
    month: Loose = "*",
    dayweek: Loose = "*",
    comment: str | None = None,
    commented: bool = False,
    identifier: Loose = None,
    special: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that a job stands in the crontab; it is known by its identifier, or its command."""
    command = " ".join(name.strip().splitlines()) if "\n" in name.strip() else name.strip()
    known = command if identifier in (None, False, "") else str(identifier)
    times: tuple[Loose, ...] = (minute, hour, daymonth, month, dayweek)
    try:
        tab = parse(context.call("cron.raw_cron", user))
        if context.is_test:
            return _announced(tab.find(command, known), name, times, special, comment, commented)
        # A time that is chosen by chance is chosen once.
        found = tab.find(command, known)
        if found is not None and not found.special:
            times = tuple(
                there if str(each).lower() == "random" else each
                for each, there in zip(times, found.times, strict=True)
            )
        more = {"commented": commented, "comment": comment, "identifier": known}
        if special is not None:
            told = context.call("cron.set_special", user, special, command, **more)
        else:
            told = context.call("cron.set_job", user, *times, command, **more)
    except (HostError, UsageError) as error:
        told = str(error)
    if told == "present":
        return Outcome(True, f"Cron {name} already present")
    if told == "new":
        return Outcome(True, f"Cron {name} added to {user}'s crontab", {user: name})
    if told == "updated":
        return Outcome(True, f"Cron {name} updated", {user: name})
    return failed(f"Cron {name} for user {user} failed to commit with error \n{told}")


def absent(
    context: StateContext,
    name: str,
    user: str = "root",
    identifier: Loose = False,
    special: str | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that a job does not stand in the crontab."""
    command = name.strip()
    known = command if identifier in (None, False, "") else str(identifier)
    try:
        if context.is_test:
            if parse(context.call("cron.raw_cron", user)).find(command, known) is None:
                return Outcome(True, f"Cron {name} already absent")
            return Outcome(None, f"Cron {name} is set to be removed")
        told = context.call("cron.rm_job", user, command, identifier=known)
    except HostError as error:
        told = str(error)
    if told == "absent":
        return Outcome(True, f"Cron {name} already absent")
    if told == "removed":
        return Outcome(True, f"Cron {name} removed from {user}'s crontab", {user: name})
    return failed(f"Cron {name} for user {user} failed to commit with error {told}")


def _announced(
    found: Job | None,
    name: str,
    times: tuple[Loose, ...],
    special: str | None,
    comment: str | None,
    commented: bool,
) -> Outcome:
    if found is None:
        return Outcome(None, f"Cron {name} is set to be added")
    assert len(times) == len(TIMES)
    wanted = Job(
        found.command if found.command == name.strip() else name.strip(),
        special=special or "",
        identifier=found.identifier,
        comment=None if comment is None else "\n".join(comment.rstrip().splitlines()),
        is_off=commented,
        times=found.times
        if special
        else tuple(
            there if str(each).lower() == "random" else str(each)
            for each, there in zip(times, found.times, strict=True)
        ),
    )
    if found.identifier is not None and is_same(found, wanted):
        return Outcome(True, f"Cron {name} already present")
    return Outcome(None, f"Cron {name} is set to be updated")
