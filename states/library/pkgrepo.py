"""The `pkgrepo` states: the repositories that packages come from."""

from typing import Any, Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import Loose
from limpet.states.functions.pkg import apt_repositories, changing, yum_repositories
from limpet.states.functions.pkg.apt_sources import parse_line
from limpet.states.library.context import StateContext
from limpet.states.library.registry import RUNTIME_KEYWORDS
from limpet.states.outcome import Outcome, failed

_MAY_DIFFER: Final = (
    "This may cause pkg states to behave differently than stated if this action is repeated "
    "without test=True, due to the differences in the configured repositories."
)


def managed(context: StateContext, name: str, ppa: str | None = None, **more: Loose) -> Outcome:
    """See to it that a repository is configured, with its key; the lists are fetched after it."""
    given = {
        key: value
        for key, value in {**more, "ppa": ppa}.items()
        if key not in RUNTIME_KEYWORDS and not key.startswith("__") and value is not None
    }
    name = str(given.pop("repo", name))
    if given.get("enabled") is not None and given.get("disabled") is not None:
        return failed("Only one of enabled/disabled is allowed")
    if given.get("key_url") and (given.get("keyid") or given.get("keyserver")):
        return failed('You may not use both "keyid"/"keyserver" and "key_url" argument.')
    try:
        if context.host.packages.kind == "dnf":
            return _managed_by_dnf(context, name, given)
        return _managed_by_apt(context, name, given)
    except (HostError, UsageError) as error:
        return failed(f"Failed to configure repo '{name}': {error}")


def absent(
    context: StateContext,
    name: str,
    keyid: Loose = None,
    keyid_ppa: Loose = None,
    refresh: bool = True,
    **_odd: Loose,
) -> Outcome:
    """See to it that a repository is not configured."""
    try:
        is_dnf = context.host.packages.kind == "dnf"
        if is_dnf:
            is_there = name in yum_repositories.all_repositories(context.functions)
        elif name.startswith("ppa:"):
            wish = apt_repositories.wish_of(context.functions, name, {})
            is_there = apt_repositories.remove(
                context.functions, line := wish.repository.line, is_test=True
            )
        else:
            line = name
            is_there = parse_line(name) is not None and apt_repositories.remove(
                context.functions, name, is_test=True
            )
        if not is_there:
            return Outcome(True, f"Package repo {name} is absent")
        changes: dict[str, Any] = {"repo": name}
        if keyid:
            changes["keyid"] = keyid
        if context.is_test:
            return Outcome(None, f"Package repo '{name}' will be removed. {_MAY_DIFFER}", changes)
        if is_dnf:
            yum_repositories.remove(context.functions, name)
        else:
            apt_repositories.remove(context.functions, line)
        comment = f"Removed repo {name}"
        if keyid:
            context.call("pkg.del_repo_key", keyid=keyid)
            comment += f", and keyid {keyid}"
        _refresh(context, refresh)
        return Outcome(True, comment, changes)
    except (HostError, UsageError) as error:
        return failed(f"Failed to remove repo '{name}': {error}")


def _managed_by_apt(context: StateContext, name: str, given: dict[str, Any]) -> Outcome:
    functions = context.functions

    def fetch(source: str) -> bytes | None:
        return context.tree.read(source, context.saltenv)

    wish = apt_repositories.wish_of(functions, name, given)
    planned = apt_repositories.plan(functions, wish)
    if not planned.changes:
        return Outcome(True, f"Package repo '{name}' already configured")
    if context.is_test:
        comment = f"Package repo '{name}' would be configured. {_MAY_DIFFER}"
        return Outcome(None, comment, planned.changes)
    if planned.is_key_missing:
        wish = apt_repositories.with_ppa_key(wish, fetch)
    apt_repositories.carry_out(functions, wish, planned, fetch)
    return _configured(context, name, planned.changes, given)


def _managed_by_dnf(context: StateContext, name: str, given: dict[str, Any]) -> Outcome:
    functions = context.functions
    options = yum_repositories.options_of(name, given)
    present = yum_repositories.all_repositories(functions).get(name)
    if present is None and not any(
        each in options for each in ("baseurl", "mirrorlist", "metalink")
    ):
        return failed(
            f"Failed to configure repo '{name}': it needs one of baseurl, mirrorlist, metalink"
        )
    changes = yum_repositories.differences(present, name, options)
    if not changes:
        return Outcome(True, f"Package repo '{name}' already configured")
    if context.is_test:
        comment = f"Package repo '{name}' would be configured. {_MAY_DIFFER}"
        return Outcome(None, comment, changes)
    file = given.get("file")
    yum_repositories.put(functions, name, options, str(file) if file else None)
    return _configured(context, name, changes, given)


def _configured(
    context: StateContext, name: str, changes: dict[str, Any], given: dict[str, Any]
) -> Outcome:
    wanted = given.get("refresh", given.get("refresh_db", True))
    errors = _refresh(context, wanted not in (False, "false", "False", 0))
    if errors:
        comment = f"Failed to configure repo '{name}': " + "\n".join(errors)
        return Outcome(False, comment, changes)
    return Outcome(True, f"Configured package repo '{name}'", changes)


def _refresh(context: StateContext, is_wanted: bool) -> tuple[str, ...]:
    """Fetch the lists now, or leave that to the next state that needs them; give what failed."""
    changing.forget_refresh(context.functions)
    return changing.refresh(context.functions, True).errors if is_wanted else ()
