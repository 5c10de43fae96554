"""The part of `network.*` that is about interfaces and addresses."""

import ipaddress
from typing import Any, Literal

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext
from limpet.states.ports.machine import Address, Interface

Family = Literal["inet", "inet6"]
Net = ipaddress.IPv4Network | ipaddress.IPv6Network


def interfaces(context: FunctionContext) -> dict[str, dict[str, Any]]:
    """Give all network interfaces with their state, hardware address and addresses.

    CLI Example: limpet run '*' network.interfaces
    """
    return {each.name: _shown(each) for each in context.host.network.interfaces()}


def interface(context: FunctionContext, iface: str) -> list[dict[str, Any]] | str:
    """Give the IPv4 addresses of an interface with netmask and broadcast.

    CLI Example: limpet run '*' network.interface eth0
    """
    found = _find(context, iface)
    if found is None:
        return _unknown(context, iface)
    return [_shown_address(each, found) for each in found.addresses if each.family == "inet"]


def interface_ip(context: FunctionContext, iface: str) -> str:
    """Give the first IPv4 address of an interface; empty if it has none.

    CLI Example: limpet run '*' network.interface_ip eth0
    """
    found = _find(context, iface)
    if found is None:
        return _unknown(context, iface)
    return next((each.address for each in found.addresses if each.family == "inet"), "")


def hw_addr(context: FunctionContext, iface: str) -> str:
    """Give the hardware address of an interface.

    CLI Example: limpet run '*' network.hw_addr eth0
    """
    found = _find(context, iface)
    return _unknown(context, iface) if found is None else found.hwaddr


def hwaddr(context: FunctionContext, iface: str) -> str:
    """Give the hardware address of an interface; another name of `hw_addr`.

    CLI Example: limpet run '*' network.hwaddr eth0
    """
    return hw_addr(context, iface)


def ip_addrs(
    context: FunctionContext,
    interface: str | None = None,
    include_loopback: bool = False,
    cidr: str | None = None,
    type: Literal["public", "private"] | None = None,  # noqa: A002
) -> list[str]:
    """Give the IPv4 addresses of this machine: of an interface, in a network, public or private.

    CLI Example: limpet run '*' network.ip_addrs cidr=10.0.0.0/8
    """
    found = _addresses(context, "inet", interface, include_loopback)
    if cidr is not None:
        network = _network(cidr)
        return [each for each in found if ipaddress.ip_address(each) in network]
    if type == "public":
        return [each for each in found if not is_private(context, each)]
    if type == "private":
        return [each for each in found if is_private(context, each)]
    return found


def ipaddrs(
    context: FunctionContext,
    interface: str | None = None,
    include_loopback: bool = False,
    cidr: str | None = None,
    type: Literal["public", "private"] | None = None,  # noqa: A002
) -> list[str]:
    """Give the IPv4 addresses of this machine; another name of `ip_addrs`.

    CLI Example: limpet run '*' network.ipaddrs eth0
    """
    return ip_addrs(context, interface, include_loopback, cidr, type)


def ip_addrs6(
    context: FunctionContext,
    interface: str | None = None,
    include_loopback: bool = False,
    cidr: str | None = None,
) -> list[str]:
    """Give the IPv6 addresses of this machine: of an interface, or in a network.

    CLI Example: limpet run '*' network.ip_addrs6 cidr=2000::/3
    """
    found = _addresses(context, "inet6", interface, include_loopback)
    if cidr is None:
        return found
    network = _network(cidr)
    return [each for each in found if ipaddress.ip_address(each) in network]


def ipaddrs6(
    context: FunctionContext,
    interface: str | None = None,
    include_loopback: bool = False,
    cidr: str | None = None,
) -> list[str]:
    """Give the IPv6 addresses of this machine; another name of `ip_addrs6`.

    CLI Example: limpet run '*' network.ipaddrs6 eth0
    """
    return ip_addrs6(context, interface, include_loopback, cidr)


def subnets(context: FunctionContext, interfaces: list[str] | None = None) -> list[str]:
    """Give the IPv4 networks that this machine has an address in, loopback left out.

    CLI Example: limpet run '*' network.subnets interfaces=eth1
    """
    return sorted(_networks(context, "inet", interfaces, False))


def subnets6(context: FunctionContext) -> list[str]:
    """Give the IPv6 networks that this machine has an address in, loopback left out.

    CLI Example: limpet run '*' network.subnets6
    """
    return sorted(_networks(context, "inet6", None, False))


def ip_networks(
    context: FunctionContext,
    interface: str | None = None,
    include_loopback: bool = False,
    verbose: bool = False,
) -> list[str] | dict[str, dict[str, Any]]:
    """Give the IPv4 networks that this machine is in; with `verbose` their size and netmask.

    CLI Example: limpet run '*' network.ip_networks interface=docker0 verbose=True
    """
    return _listed(context, "inet", interface, include_loopback, verbose)


def ip_networks6(
    context: FunctionContext,
    interface: str | None = None,
    include_loopback: bool = False,
    verbose: bool = False,
) -> list[str] | dict[str, dict[str, Any]]:
    """Give the IPv6 networks that this machine is in; with `verbose` their size and netmask.

    CLI Example: limpet run '*' network.ip_networks6 include_loopback=True
    """
    return _listed(context, "inet6", interface, include_loopback, verbose)


def in_subnet(context: FunctionContext, cidr: str) -> bool:
    """Say whether this machine has an address in a network, loopback left out.

    CLI Example: limpet run '*' network.in_subnet 10.0.0.0/16
    """
    network = _network(cidr)
    family: Family = "inet" if network.version == 4 else "inet6"
    return any(
        ipaddress.ip_address(each) in network for each in _addresses(context, family, None, False)
    )


def ip_in_subnet(context: FunctionContext, ip_addr: str, cidr: str) -> bool:
    """Say whether an address is in a network.

    CLI Example: limpet run '*' network.ip_in_subnet 172.17.0.4 172.16.0.0/12
    """
    return _address(ip_addr) in _network(cidr)


def ifacestartswith(context: FunctionContext, cidr: str) -> list[str]:
    """Give the interfaces with an address that begins with a text.

    CLI Example: limpet run '*' network.ifacestartswith 10.0
    """
    return [
        each.name
        for each in context.host.network.interfaces()
        if any(one.address.startswith(cidr) for one in each.addresses if one.family == "inet")
    ]


def is_private(context: FunctionContext, ip_addr: str) -> bool:
    """Say whether an address is private.

    CLI Example: limpet run '*' network.is_private 10.0.0.3
    """
    return _address(ip_addr).is_private


def is_loopback(context: FunctionContext, ip_addr: str) -> bool:
    """Say whether an address is one of the machine to itself.

    CLI Example: limpet run '*' network.is_loopback 127.0.0.1
    """
    return _address(ip_addr).is_loopback


def reverse_ip(context: FunctionContext, ip_addr: str) -> str:
    """Give the name under which the DNS keeps the name of an address.

    CLI Example: limpet run '*' network.reverse_ip 127.0.0.1
    """
    return _address(ip_addr).reverse_pointer


def iphexval(context: FunctionContext, ip: str) -> str:
    """Give an IPv4 address as hexadecimal digits.

    CLI Example: limpet run '*' network.iphexval 10.0.0.1
    """
    return _address(ip).packed.hex().upper()


def convert_cidr(context: FunctionContext, cidr: str) -> dict[str, str]:
    """Give network, netmask and broadcast of a network written with its prefix length.

    CLI Example: limpet run '*' network.convert_cidr 172.31.0.0/16
    """
    network = _network(cidr)
    return {
        "network": str(network.network_address),
        "netmask": str(network.netmask),
        "broadcast": str(network.broadcast_address),
    }


def calc_net(context: FunctionContext, ip_addr: str, netmask: str | None = None) -> str:
    """Give the network of an address with a netmask or a prefix length.

    CLI Example: limpet run '*' network.calc_net 172.17.0.5 255.255.255.240
    """
    return str(_network(ip_addr if netmask is None else f"{ip_addr}/{netmask}"))


def _shown(each: Interface) -> dict[str, Any]:
    found: dict[str, Any] = {"up": each.is_up, "hwaddr": each.hwaddr}
    if each.parent:
        found["parent"] = each.parent
    for family in ("inet", "inet6"):
        members = [_shown_address(one, each) for one in each.addresses if one.family == family]
        if members:
            found[family] = members
    return found


def _shown_address(one: Address, each: Interface) -> dict[str, Any]:
    if one.family == "inet6":
        return {"address": one.address, "prefixlen": str(one.prefix), "scope": one.scope}
    return {
        "address": one.address,
        "netmask": str(ipaddress.ip_network(f"0.0.0.0/{one.prefix}").netmask),
        "broadcast": one.broadcast or None,
        "label": one.label or each.name,
    }


def _find(context: FunctionContext, name: str) -> Interface | None:
    return next((each for each in context.host.network.interfaces() if each.name == name), None)


def _unknown(context: FunctionContext, name: str) -> str:
    """Give Salt's answer for an interface that is not there."""
    known = ", ".join(f'"{each.name}"' for each in context.host.network.interfaces())
    return f'Interface "{name}" not in available interfaces: {known}'


def _addresses(
    context: FunctionContext, family: Family, interface: str | None, include_loopback: bool
) -> list[str]:
    found: set[str] = set()
    for each in context.host.network.interfaces():
        if interface is not None and each.name != interface:
            continue
        for one in each.addresses:
            is_loopback = ipaddress.ip_address(one.address).is_loopback
            if one.family == family and (include_loopback or not is_loopback):
                found.add(one.address)
    return [str(each) for each in sorted(ipaddress.ip_address(one) for one in found)]


def _networks(
    context: FunctionContext, family: Family, names: list[str] | None, include_loopback: bool
) -> dict[str, Net]:
    found: dict[str, Net] = {}
    for each in context.host.network.interfaces():
        if names is not None and each.name not in names:
            continue
        for one in each.addresses:
            if one.family != family:
                continue
            network = ipaddress.ip_network(f"{one.address}/{one.prefix}", strict=False)
            if include_loopback or not network.is_loopback:
                found[str(network)] = network
    return found


def _listed(
    context: FunctionContext,
    family: Family,
    interface: str | None,
    include_loopback: bool,
    verbose: bool,
) -> list[str] | dict[str, dict[str, Any]]:
    names = None if interface is None else [interface]
    found = _networks(context, family, names, include_loopback)
    if not verbose:
        return sorted(found)
    return {
        name: {
            "address": str(network.network_address),
            "netmask": str(network.netmask),
            "num_addresses": network.num_addresses,
            "prefixlen": network.prefixlen,
        }
        for name, network in sorted(found.items())
    }


def _address(text: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address:
    try:
        return ipaddress.ip_address(text)
    except ValueError:
        raise UsageError(f"{text!r} is not an IP address") from None


def _network(text: str) -> Net:
    try:
        return ipaddress.ip_network(text, strict=False)
    except ValueError:
        raise UsageError(f"{text!r} is not a network such as 10.0.0.0/8") from None
