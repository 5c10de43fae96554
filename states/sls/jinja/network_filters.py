"""Filters on addresses and networks."""

import ipaddress
import random
from collections.abc import Callable, Iterable, Mapping
from types import GeneratorType
from typing import Any, Final

import jinja2

HOSTS_MAX: Final = 65_536
"""How many addresses of a network `network_hosts` lists at most."""
_MANY: Final = (list, tuple, GeneratorType)
_Address = ipaddress.IPv4Address | ipaddress.IPv6Address

_OPTIONS: Final[dict[str, Callable[[Any], bool]]] = {
    "global": lambda each: not each.is_private,
    "public": lambda each: not each.is_private,
    "link-local": lambda each: bool(each.is_link_local),
    "linklocal": lambda each: bool(each.is_link_local),
    "link_local": lambda each: bool(each.is_link_local),
    "ll": lambda each: bool(each.is_link_local),
    "loopback": lambda each: bool(each.is_loopback),
    "lo": lambda each: bool(each.is_loopback),
    "multicast": lambda each: bool(each.is_multicast),
    "private": lambda each: bool(each.is_private),
    "reserved": lambda each: bool(each.is_reserved),
    "site-local": lambda each: each.version == 6 and bool(each.is_site_local),
    "site_local": lambda each: each.version == 6 and bool(each.is_site_local),
    "sl": lambda each: each.version == 6 and bool(each.is_site_local),
    "unspecified": lambda each: bool(each.is_unspecified),
}


def _checked(value: Any, version: int, options: str | None) -> str | None:  # noqa: ANN401
    """Give the address or interface as text if it is of that version and passes the options."""
    found: Any
    try:
        found = ipaddress.ip_address(value)
    except ValueError:
        try:
            found = ipaddress.ip_interface(value)
        except ValueError:
            return None
    if found.version != version:
        return None
    wanted = [each.strip() for each in options.split(",")] if options else []
    passes = all(_OPTIONS[each](found) for each in wanted if each in _OPTIONS)
    return str(found) if passes else None


def _filtered(value: Any, version: int, options: str | None) -> Any:  # noqa: ANN401
    if isinstance(value, str | bytes):
        return _checked(value, version, options)
    if isinstance(value, _MANY):
        checked = (_checked(each, version, options) for each in value)
        return [each for each in checked if each is not None]
    return None


def ipv4(value: Any, options: str | None = None) -> Any:  # noqa: ANN401
    """Keep what is an IPv4 address."""
    return _filtered(value, 4, options)


def ipv6(value: Any, options: str | None = None) -> Any:  # noqa: ANN401
    """Keep what is an IPv6 address."""
    return _filtered(value, 6, options)


def ipaddr(value: Any, options: str | None = None) -> Any:  # noqa: ANN401
    """Keep what is an address, IPv4 first."""
    four, six = ipv4(value, options), ipv6(value, options)
    if four is None or six is None:
        return four or six
    return four + six


def is_ipv4(value: Any, options: str | None = None) -> bool:  # noqa: ANN401
    """Say whether it is an IPv4 address."""
    return _checked(value, 4, options) is not None


def is_ipv6(value: Any, options: str | None = None) -> bool:  # noqa: ANN401
    """Say whether it is an IPv6 address."""
    return _checked(value, 6, options) is not None


def is_ip(value: Any, options: str | None = None) -> bool:  # noqa: ANN401
    """Say whether it is an address."""
    return is_ipv4(value, options) or is_ipv6(value, options)


def _each_of(
    value: Any,  # noqa: ANN401
    options: str | None,
    version: int | None,
    make: Callable[[str], Any],
) -> Any:  # noqa: ANN401
    chosen = {4: ipv4, 6: ipv6}.get(version or 0, ipaddr)(value, options)
    if not chosen:
        return None
    if isinstance(value, _MANY):
        return [make(each) for each in chosen]
    return make(chosen)


def ip_host(value: Any, options: str | None = None, version: int | None = None) -> Any:  # noqa: ANN401
    """Give the address with the length of its network."""
    return _each_of(value, options, version, lambda each: str(ipaddress.ip_interface(each)))


def network_hosts(value: Any, options: str | None = None, version: int | None = None) -> Any:  # noqa: ANN401
    """List the addresses of hosts in a network."""
    return _each_of(value, options, version, _hosts)


def _hosts(text: str) -> list[str]:
    network = ipaddress.ip_network(text, strict=False)
    if network.num_addresses > HOSTS_MAX:
        raise jinja2.TemplateRuntimeError(
            f"network_hosts: {text} has more than {HOSTS_MAX} addresses"
        )
    return [str(each) for each in network.hosts()]


def network_size(value: Any, options: str | None = None, version: int | None = None) -> Any:  # noqa: ANN401
    """Count the addresses of a network."""
    return _each_of(
        value, options, version, lambda each: ipaddress.ip_network(each, strict=False).num_addresses
    )


def ipwrap(value: Any) -> Any:  # noqa: ANN401
    """Put IPv6 addresses in brackets."""
    if isinstance(value, list | tuple):
        return [ipwrap(each) for each in value]
    return f"[{value}]" if is_ipv6(value) else value


def filter_by_networks(values: Any, networks: Iterable[str] | None) -> Any:  # noqa: ANN401
    """Keep the addresses that lie in one of the networks; of a mapping, per key."""
    if networks is None:
        return values
    inside = [ipaddress.ip_network(each) for each in networks]
    if isinstance(values, Mapping):
        return {key: _inside(each, inside) for key, each in values.items()}
    if isinstance(values, list | tuple):
        return _inside(values, inside)
    raise jinja2.TemplateRuntimeError(f"Do not know how to filter a {type(values).__name__}")


def _inside(values: Iterable[str], networks: list[Any]) -> list[str]:
    return [
        each for each in values for network in networks if ipaddress.ip_address(each) in network
    ]


def gen_mac(prefix: str = "AC:DE:48") -> str:
    """Make up a hardware address."""
    parts = (random.SystemRandom().randrange(256) for _ in range(3))
    return ":".join([prefix, *(f"{each:02X}" for each in parts)])


def mac_str_to_bytes(text: str) -> bytes:
    """Read a hardware address."""
    digits = text.replace(text[2], "") if len(text) == 17 else text
    if len(digits) != 12:
        raise ValueError("Invalid MAC address")
    return bytes.fromhex(digits)


FILTERS: Final[dict[str, Any]] = {
    "filter_by_networks": filter_by_networks,
    "gen_mac": gen_mac,
    "ip_host": ip_host,
    "ipaddr": ipaddr,
    "ipv4": ipv4,
    "ipv6": ipv6,
    "ipwrap": ipwrap,
    "is_ip": is_ip,
    "is_ipv4": is_ipv4,
    "is_ipv6": is_ipv6,
    "mac_str_to_bytes": mac_str_to_bytes,
    "network_hosts": network_hosts,
    "network_size": network_size,
}
