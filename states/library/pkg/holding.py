"""`pkg.held` and `pkg.unheld`: packages are kept at their version, or not."""

from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.functions.pkg import holding
from limpet.states.functions.pkg.wanted import wanted
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def held(
    context: StateContext, name: str, pkgs: Loose = None, replace: bool = False, **_odd: Loose
) -> Outcome:
    """See to it that packages are held; with `replace`, no others are."""
    try:
        names = [each.name for each in wanted(name, None, pkgs)]
        entries = holding.set_held(context.functions, names, is_held=True, is_test=context.is_test)
        if replace:
            packages = context.host.packages
            normal = {packages.normal_name(each) for each in names}
            others = [each for each in holding.list_holds(context.functions) if each not in normal]
            if others:
                entries |= holding.set_held(
                    context.functions, others, is_held=False, is_test=context.is_test
                )
        return _outcome(context, entries)
    except (HostError, UsageError) as error:
        return failed(str(error))


def unheld(
    context: StateContext,
    name: str,
    pkgs: Loose = None,
    all: Loose = False,  # noqa: A002 — Salt's name
    **_odd: Loose,
) -> Outcome:
    """See to it that packages are not held; with `all`, that none is."""
    try:
        if all:
            names = holding.list_holds(context.functions)
        else:
            names = [each.name for each in wanted(name, None, pkgs)]
        entries = holding.set_held(context.functions, names, is_held=False, is_test=context.is_test)
        return _outcome(context, entries)
    except (HostError, UsageError) as error:
        return failed(str(error))


def _outcome(context: StateContext, entries: dict[str, dict[str, Any]]) -> Outcome:
    changed = {name: entry for name, entry in entries.items() if entry["changes"]}
    if not changed:
        return Outcome(True, "No changes made")
    comment = "\n".join(str(entry["comment"]) for entry in changed.values())
    return Outcome(None if context.is_test else True, comment, changed)
