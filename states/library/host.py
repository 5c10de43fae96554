"""The `host` states: names and addresses in the table of hosts."""

from dataclasses import dataclass
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
    wish = _Wish(
        name,
        comment,
        added=[each for each in wanted if name not in table.get(each, {}).get("aliases", [])],
        commented=[
            each for each in wanted if comment and comment != table.get(each, {}).get("comment", "")
        ],
        removed=others if clean else [],
    )
    warnings = () if clean else tuple(_stays(name, each) for each in others)
    changes = wish.changes()
    if changes and not context.is_test:
        try:
            wish.fulfil(context)
        except HostError as error:
            return failed(str(error))
    result = None if context.is_test and changes else True
    lines = wish.lines(wanted, is_test=context.is_test)
    return Outcome(result, "\n".join(lines), changes, warnings=warnings)


@dataclass(frozen=True, slots=True)
class _Wish:
    """What has to be done for a name to have the addresses that it should."""

    name: str
    comment: str
    added: list[str]
    commented: list[str]
    removed: list[str]

    def fulfil(self, context: StateContext) -> None:
        """Change the table. Raises `HostError`."""
        for each in self.added:
            context.call("hosts.add_host", each, self.name)
        for each in self.commented:
            context.call("hosts.set_comment", each, self.comment)
        for each in self.removed:
            context.call("hosts.rm_host", each, self.name)

    def changes(self) -> dict[str, Any]:
        """Give what is changed, by address."""
        found = {
            "added": {each: [self.name] for each in self.added},
            "comment_added": {each: [self.comment] for each in self.commented},
            "removed": {each: [self.name] for each in self.removed},
        }
        return {what: each for what, each in found.items() if each}

    def lines(self, wanted: list[str], *, is_test: bool) -> list[str]:
        """Say what was done, or would be."""
        name, comment = self.name, self.comment
        found = []
        for each in wanted:
            if each not in self.added:
                found.append(f"Host {name} ({each}) already present")
            elif is_test:
                found.append(f"Host {name} ({each}) would be added")
            else:
                found.append(f"Added host {name} ({each})")
        for each in self.commented:
            would = f"Comment for {each} would be set ({comment})"
            found.append(would if is_test else f"Set comment for host {each} ({comment})")
        for each in self.removed:
            would = f"Host {name} ({each}) would be removed"
            found.append(would if is_test else f"Removed host {name} ({each})")
        return found


def _stays(name: str, ip: str) -> str:
    """Warn of an address that the name has besides those that it should."""
    return (
        f"Host {name} present for IP address {ip}. To get rid of this warning, either run "
        f"this state with 'clean' set to True to remove {name} from {ip}, or add {ip} to "
        "the 'ip' argument."
    )


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
