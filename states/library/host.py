"""The `host` states: names and addresses in the table of hosts."""

from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.functions.hosts import address, host_name
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def present(
    context: StateContext,
    name: str,
    ip: Loose,
    comment: str = "",
    clean: bool = False,
    **_odd: Loose,
) -> Outcome:
    """See to it that a name has these addresses; with `clean` no others."""
    try:
        host_name(name)
        wanted = [address(each) for each in (ip if isinstance(ip, list) else [ip])]
        table = _table(context)
    except HostError as error:
        return failed(str(error))
    others = [each for each in table if name in table[each]["aliases"] and each not in wanted]
    added = [each for each in wanted if name not in table.get(each, {}).get("aliases", [])]
    told = [
        each for each in wanted if comment and comment != table.get(each, {}).get("comment", "")
    ]
    lines: list[str] = []
    changes: dict[str, Any] = {}
    warnings: tuple[str, ...] = ()
    for each in wanted:
        if each not in added:
            lines.append(f"Host {name} ({each}) already present")
            continue
        done = f"Host {name} ({each}) would be added" if context.is_test else ""
        lines.append(done or f"Added host {name} ({each})")
        changes.setdefault("added", {})[each] = [name]
    for each in told:
        done = f"Comment for {each} would be set ({comment})" if context.is_test else ""
        lines.append(done or f"Set comment for host {each} ({comment})")
        changes.setdefault("comment_added", {})[each] = [comment]
    if clean:
        for each in others:
            done = f"Host {name} ({each}) would be removed" if context.is_test else ""
            lines.append(done or f"Removed host {name} ({each})")
            changes.setdefault("removed", {})[each] = [name]
    else:
        warnings = tuple(
            f"Host {name} present for IP address {each}. To get rid of this warning, either run "
            f"this state with 'clean' set to True to remove {name} from {each}, or add {each} to "
            "the 'ip' argument."
            for each in others
        )
    result = None if context.is_test and changes else True
    if not context.is_test and changes:
        try:
            for each in added:
                context.call("hosts.add_host", each, name)
            for each in told:
                context.call("hosts.set_comment", each, comment)
            for each in others if clean else ():
                context.call("hosts.rm_host", each, name)
        except HostError as error:
            return failed(str(error))
    return Outcome(result, "\n".join(lines), changes, warnings=warnings)


def absent(context: StateContext, name: str, ip: Loose = None, **_odd: Loose) -> Outcome:
    """See to it that a name has none of these addresses; without any, none at all."""
    table = _table(context)
    if ip is None or ip == "":
        unwanted = [each for each in table if name in table[each]["aliases"]]
    else:
        unwanted = [str(each) for each in (ip if isinstance(ip, list) else [ip])]
    if not unwanted:
        return Outcome(True, f"Host {name} already absent")
    lines = []
    is_changed = False
    for each in unwanted:
        if name not in table.get(each, {}).get("aliases", []):
            lines.append(f"Host {name} ({each}) already absent")
            continue
        is_changed = True
        if context.is_test:
            lines.append(f"Host {name} ({each}) needs to be removed")
            continue
        try:
            context.call("hosts.rm_host", each, name)
        except HostError as error:
            return failed(f"Failed to remove host {name} ({each}): {error}")
        lines.append(f"Removed host {name} ({each})")
    if context.is_test and is_changed:
        return Outcome(None, "\n".join(lines))
    return Outcome(True, "\n".join(lines), {"host": name} if is_changed else {})


def only(context: StateContext, name: str, hostnames: Loose, **_odd: Loose) -> Outcome:
    """See to it that an address has exactly these names."""
    wanted = " ".join([hostnames] if isinstance(hostnames, str) else map(str, hostnames))
    present_ = " ".join(context.call("hosts.get_alias", name))
    if wanted == present_:
        return Outcome(True, f'IP address {name} already set to "{wanted}"')
    if context.is_test:
        return Outcome(None, f'Would change {name} from "{present_}" to "{wanted}"')
    try:
        context.call("hosts.set_host", name, wanted)
    except HostError as error:
        return failed(f'failed to change {name} from "{present_}" to "{wanted}": {error}')
    comment = f'successfully changed {name} from "{present_}" to "{wanted}"'
    return Outcome(True, comment, {name: {"old": present_, "new": wanted}})


def _table(context: StateContext) -> dict[str, Any]:
    found = context.call("hosts.list_hosts")
    return {key: value for key, value in found.items() if isinstance(value, dict)}
