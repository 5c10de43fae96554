"""The part of `network.*` that is about routes and neighbours."""

import ipaddress
import json
from typing import Any, Literal

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.ports.machine import Command, Route

_COMMAND_S = 10.0
_ATF_COMPLETE = 0x2


def routes(
    context: FunctionContext, family: Literal["inet", "inet6"] | None = None
) -> list[dict[str, str]]:
    """Give the routes of this machine, of both families or of one.

    CLI Example: limpet run '*' network.routes inet
    """
    return [
        _shown(each)
        for each in context.host.network.routes()
        if family is None or each.family == family
    ]


def default_route(
    context: FunctionContext, family: Literal["inet", "inet6"] | None = None
) -> list[dict[str, str]]:
    """Give the default routes of this machine, of both families or of one.

    CLI Example: limpet run '*' network.default_route
    """
    return [
        _shown(each)
        for each in context.host.network.routes()
        if each.destination in ("0.0.0.0/0", "::/0") and family in (None, each.family)
    ]


def get_route(context: FunctionContext, ip: str) -> dict[str, str | None]:
    """Give by which gateway, interface and source address an address is reached.

    CLI Example: limpet run '*' network.get_route 10.10.10.10
    """
    try:
        address = ipaddress.ip_address(ip)
    except ValueError:
        raise UsageError(f"network.get_route: {ip!r} is not an IP address") from None
    for entry in _ip(context, "route", "get", str(address)):
        return {
            "destination": ip,
            "gateway": entry.get("gateway"),
            "interface": entry.get("dev"),
            "source": entry.get("prefsrc"),
        }
    raise HostError(f"network.get_route: there is no route to {ip}")


def arp(context: FunctionContext) -> dict[str, str]:
    """Give the neighbours of this machine: hardware address to IPv4 address.

    CLI Example: limpet run '*' network.arp
    """
    found: dict[str, str] = {}
    for line in (context.host.files.read_text("/proc/net/arp") or "").splitlines()[1:]:
        words = line.split()
        if len(words) >= 6 and int(words[2], 16) & _ATF_COMPLETE:
            found[words[3]] = words[0]
    return found


def ip_neighs(context: FunctionContext) -> dict[str, str]:
    """Give the IPv4 neighbours of this machine: hardware address to address.

    CLI Example: limpet run '*' network.ip_neighs
    """
    return _neighbours(context, "-4")


def ipneighs(context: FunctionContext) -> dict[str, str]:
    """Give the IPv4 neighbours of this machine; another name of `ip_neighs`.

    CLI Example: limpet run '*' network.ipneighs
    """
    return _neighbours(context, "-4")


def ip_neighs6(context: FunctionContext) -> dict[str, str]:
    """Give the IPv6 neighbours of this machine: hardware address to address.

    CLI Example: limpet run '*' network.ip_neighs6
    """
    return _neighbours(context, "-6")


def ipneighs6(context: FunctionContext) -> dict[str, str]:
    """Give the IPv6 neighbours of this machine; another name of `ip_neighs6`.

    CLI Example: limpet run '*' network.ipneighs6
    """
    return _neighbours(context, "-6")


def _shown(route: Route) -> dict[str, str]:
    """Give a route in the columns of `netstat -rn`, as Salt does."""
    network = ipaddress.ip_network(route.destination, strict=False)
    is_four = route.family == "inet"
    return {
        "addr_family": route.family,
        "destination": str(network.network_address) if is_four else route.destination,
        "gateway": route.gateway or ("0.0.0.0" if is_four else "::"),  # noqa: S104 — no gateway
        "netmask": str(network.netmask) if is_four else "",
        "flags": route.flags,
        "interface": route.interface,
    }


def _neighbours(context: FunctionContext, family: str) -> dict[str, str]:
    return {
        entry["lladdr"]: entry["dst"]
        for entry in _ip(context, family, "neigh", "show")
        if "lladdr" in entry and "dst" in entry
    }


def _ip(context: FunctionContext, *words: str) -> list[dict[str, Any]]:
    """Ask `ip` of iproute2 and give its answer as data."""
    environment = context.host.commands.environment()
    path = ":".join(each for each in (environment.get("PATH"), "/usr/sbin:/sbin") if each)
    program = context.host.commands.which("ip", path)
    if program is None:
        raise HostError("the program ip (of iproute2) is not installed")
    answer = context.host.commands.run(
        Command((program, "-json", *words), environment, cwd="/", timeout_s=_COMMAND_S)
    )
    if answer.retcode != 0:
        reason = answer.stderr.decode("utf-8", "replace").strip()
        raise HostError(f"ip {' '.join(words)}: {reason or answer.retcode}")
    try:
        data = json.loads(answer.stdout or b"[]")
    except ValueError as error:
        raise HostError(f"ip {' '.join(words)}: unreadable answer: {error}") from error
    return [each for each in data if isinstance(each, dict)]
