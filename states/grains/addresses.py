"""Names and addresses of this host. The resolver gets a limit, and silence is an answer."""

import ipaddress
from typing import Any

from limpet.states.ports.machine import Host

RESOLVER_LIMIT_S = 2.0


def names(host: Host) -> dict[str, Any]:
    """Give `fqdn`, `host`, `domain`, `localhost`, `nodename`, `fqdn_ip4`, `fqdn_ip6`."""
    node = host.network.hostname()
    full = host.network.full_name(limit_s=RESOLVER_LIMIT_S)
    first, _, domain = full.partition(".")
    return {
        "localhost": node,
        "nodename": node,
        "fqdn": full,
        "host": first,
        "domain": domain,
        "fqdn_ip4": host.network.resolve(full, "inet", limit_s=RESOLVER_LIMIT_S),
        "fqdn_ip6": [
            each
            for each in host.network.resolve(full, "inet6", limit_s=RESOLVER_LIMIT_S)
            if ":" in each
        ],
        "fqdns": [],  # Salt's `enable_fqdns_grains` is off: it asks the resolver for each address
    }


def interfaces(host: Host) -> dict[str, Any]:
    """Give addresses by interface and all together, as `ipv4`, `ip4_interfaces` and so on."""
    four: dict[str, list[str]] = {}
    six: dict[str, list[str]] = {}
    hardware: dict[str, str] = {}
    for each in host.network.interfaces():
        four[each.name] = [one.address for one in each.addresses if one.family == "inet"]
        six[each.name] = [one.address for one in each.addresses if one.family == "inet6"]
        if each.hwaddr:
            hardware[each.name] = each.hwaddr
    return {
        "ip4_interfaces": four,
        "ip6_interfaces": six,
        "ip_interfaces": {name: four[name] + six[name] for name in four},
        "ipv4": sorted({one for all_ in four.values() for one in all_}, key=ipaddress.IPv4Address),
        "ipv6": sorted({one for all_ in six.values() for one in all_}, key=ipaddress.IPv6Address),
        "hwaddr_interfaces": hardware,
    }


def gateways(host: Host) -> dict[str, Any]:
    """Give `ip_gw`, `ip4_gw`, `ip6_gw`: the gateway, true if there is one without, or false."""
    grains: dict[str, Any] = {"ip_gw": False, "ip4_gw": False, "ip6_gw": False}
    for family, grain, default in (
        ("inet", "ip4_gw", "0.0.0.0/0"),
        ("inet6", "ip6_gw", "::/0"),
    ):
        for route in host.network.routes():
            if route.family == family and route.destination == default and "U" in route.flags:
                grains[grain] = route.gateway or True
                grains["ip_gw"] = True
                break
    return grains


def resolver(host: Host) -> dict[str, Any]:
    """Give `dns`: what the resolver's configuration says."""
    text = host.files.read_text("/run/systemd/resolve/resolv.conf")
    if text is None:
        text = host.files.read_text("/etc/resolv.conf")
    if text is None:
        return {}
    found: dict[str, Any] = {
        "nameservers": [],
        "ip4_nameservers": [],
        "ip6_nameservers": [],
        "sortlist": [],
        "domain": "",
        "search": [],
        "options": [],
    }
    for line in text.splitlines():
        directive, *words = line.split("#")[0].split(";")[0].split() or [""]
        if directive == "nameserver" and words:
            _add_server(found, words[0])
        elif directive == "domain" and words:
            found["domain"] = words[0]
        elif directive in ("search", "sortlist", "options"):
            found[directive] = words
    return {"dns": found}


def _add_server(found: dict[str, Any], address: str) -> None:
    try:
        number = ipaddress.ip_address(address.split("%")[0])
    except ValueError:
        return
    for key in ("nameservers", f"ip{number.version}_nameservers"):
        if address not in found[key]:
            found[key].append(address)
