"""The `firewalld` state: a zone has these services, ports, sources and rules, for good."""

from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed
from limpet.states.ports import programs

_LIMIT_S: Final = 120.0
_LISTS: Final = (
    ("block_icmp", "icmp-blocks", "icmp-block"),
    ("ports", "ports", "port"),
    ("port_fwd", "forward-ports", "forward-port"),
    ("services", "services", "service"),
    ("interfaces", "interfaces", "interface"),
    ("sources", "sources", "source"),
    ("rich_rules", "rich-rules", "rich-rule"),
)
"""Argument, what firewall-cmd lists, what it adds and removes."""


@dataclass(frozen=True, slots=True)
class PresentOptions:
    """Arguments of `firewalld.present`; each `prune_…` removes what is not named."""

    name: str
    block_icmp: list[str] | None = None
    prune_block_icmp: bool = False
    default: bool | None = None
    """The zone of what no other zone takes."""
    masquerade: bool | None = None
    ports: list[str] | None = None
    prune_ports: bool = False
    port_fwd: list[str] | None = None
    """`80:8080:tcp:10.0.0.1`."""
    prune_port_fwd: bool = False
    services: list[str] | None = None
    prune_services: bool = False
    interfaces: list[str] | None = None
    prune_interfaces: bool = False
    sources: list[str] | None = None
    prune_sources: bool = False
    rich_rules: list[str] | None = None
    prune_rich_rules: bool = False


def present(context: StateContext, options: PresentOptions) -> Outcome:
    """See to it that a zone is there and has what is named."""
    name = options.name
    try:
        programs.plain_word(name, "the name of a zone", r"[A-Za-z0-9_/-]{1,64}")
        todo, changes = _differences(context, options)
        if not changes:
            return Outcome(True, f"'{name}' is already in the desired state.")
        if context.is_test:
            return Outcome(None, f"Configuration for '{name}' will change.", changes)
        for words in todo:
            _ask(context, *words)
        _ask(context, "--reload")
    except HostError as error:
        return failed(f"Error: {error}")
    return Outcome(True, f"'{name}' was configured.", changes)


def _differences(
    context: StateContext, options: PresentOptions
) -> tuple[list[tuple[str, ...]], dict[str, Any]]:
    """Give the calls that are needed, in order, and Salt's changes."""
    name = options.name
    zones = _ask(context, "--permanent", "--get-zones").split()
    todo: list[tuple[str, ...]] = []
    changes: dict[str, Any] = {}
    is_new = name not in zones
    if is_new:
        todo.append(("--permanent", f"--new-zone={name}"))
        changes[name] = {"old": zones, "new": [*zones, name]}
    zone = ("--permanent", f"--zone={name}")
    for argument, listed, one in _LISTS:
        wanted = getattr(options, argument)
        if wanted is None:
            continue
        wanted = [_written(argument, each) for each in wanted]
        there = [] if is_new else _listed(_ask(context, *zone, f"--list-{listed}"), listed)
        added = [each for each in dict.fromkeys(wanted) if each not in there]
        is_pruned = getattr(options, f"prune_{argument}")
        removed = [each for each in there if each not in wanted] if is_pruned else []
        todo += [(*zone, f"--add-{one}={each}") for each in added]
        todo += [(*zone, f"--remove-{one}={each}") for each in removed]
        if added or removed:
            kept = [each for each in there if each not in removed]
            changes[argument] = {"old": there, "new": [*kept, *added]}
    if options.masquerade is not None:
        is_on = not is_new and _is_yes(context, *zone, "--query-masquerade")
        if is_on != options.masquerade:
            verb = "add" if options.masquerade else "remove"
            todo.append((*zone, f"--{verb}-masquerade"))
            changes["masquerade"] = {"old": is_on, "new": options.masquerade}
    if options.default:
        default = _ask(context, "--get-default-zone")
        if default != name:
            if is_new:  # only a zone that is loaded can be the default one
                todo.append(("--reload",))
            todo.append((f"--set-default-zone={name}",))
            changes["default"] = {"old": default, "new": name}
    return todo, changes


def _written(argument: str, value: Loose) -> str:
    """Give a value as firewall-cmd has it; `80:8080:tcp` is one way of Salt's for a forward."""
    text = programs.plain_line(value, "a part of a zone").strip()
    if argument != "port_fwd" or "port=" in text:
        return text
    parts = text.split(":", 3)
    if len(parts) < 3:
        raise HostError(f"{text!r} is no port_fwd such as 80:8080:tcp or 80:8080:tcp:10.0.0.1")
    source, target, protocol, *address = parts
    to = f":toaddr={address[0]}" if address else ":toaddr="
    return f"port={source}:proto={protocol}:toport={target}{to}"


def _listed(text: str, listed: str) -> list[str]:
    is_by_line = listed in ("rich-rules", "forward-ports")
    return [each.strip() for each in (text.splitlines() if is_by_line else text.split()) if each]


def _ask(context: StateContext, *words: str) -> str:
    argv = ["firewall-cmd", *words]
    return programs.run(context.host.commands, argv, limit_s=_LIMIT_S).checked().stdout.strip()


def _is_yes(context: StateContext, *words: str) -> bool:
    argv = ["firewall-cmd", *words]
    return programs.run(context.host.commands, argv, limit_s=_LIMIT_S).is_good
