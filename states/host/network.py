"""Interfaces, routes and names of this machine. Whatever asks a resolver has a limit.

`getaddrinfo` can't be interrupted, so it runs in a thread that is left behind when its time is
over; it can't keep the process alive.
"""

import contextlib
import ipaddress
import os
import socket
import threading
from collections.abc import Callable
from typing import Any, Literal, TypeVar

from limpet.states.host import routes, sockets
from limpet.states.ports.machine import Address, Connection, Interface, Route

T = TypeVar("T")

_FAMILIES = {"inet": socket.AF_INET, "inet6": socket.AF_INET6}


class LocalNetwork:
    """Implements `limpet.states.ports.machine.Network`."""

    def interfaces(self) -> list[Interface]:
        """All interfaces, loopback included, in the kernel's order."""
        import psutil

        states = psutil.net_if_stats()
        found: dict[str, dict[str, Any]] = {
            name: {"hwaddr": "", "addresses": []} for _index, name in socket.if_nameindex()
        }
        for label, addresses in psutil.net_if_addrs().items():
            name = label.split(":")[0]
            entry = found.setdefault(name, {"hwaddr": "", "addresses": []})
            for each in addresses:
                if each.family == psutil.AF_LINK:
                    entry["hwaddr"] = each.address
                elif each.family in (socket.AF_INET, socket.AF_INET6):
                    entry["addresses"].append(_address(each, label))
        return [
            Interface(
                name,
                name in states and states[name].isup,
                entry["hwaddr"],
                tuple(entry["addresses"]),
            )
            for name, entry in found.items()
        ]

    def routes(self) -> list[Route]:
        """All routes of both families."""
        return routes.read_all()

    def connections(self) -> list[Connection]:
        """All TCP and UDP sockets; the owning process where this user may know it."""
        return sockets.read_all()

    def hostname(self) -> str:
        """Give the kernel's node name."""
        return os.uname().nodename

    def full_name(self, *, limit_s: float) -> str:
        """Give the name with its domain, or the node name if the resolver does not answer."""
        node = self.hostname()

        def ask() -> str:
            answers = socket.getaddrinfo(
                node, None, type=socket.SOCK_STREAM, flags=socket.AI_CANONNAME
            )
            return next((answer[3] for answer in answers if answer[3]), node)

        found = _within(limit_s, ask)
        return found if found and found != "localhost" else node

    def resolve(self, name: str, family: Literal["inet", "inet6"], *, limit_s: float) -> list[str]:
        """Give the addresses of a name; none if there are none, or no answer in time."""
        kind = _FAMILIES[family]

        def ask() -> list[str]:
            answers = socket.getaddrinfo(name, None, kind, socket.SOCK_STREAM)
            return list(dict.fromkeys(str(answer[4][0]) for answer in answers))

        return _within(limit_s, ask) or []

    def reverse(self, address: str, *, limit_s: float) -> str:
        """Give the name of an address; empty if there is none, or no answer in time."""
        return _within(limit_s, lambda: socket.gethostbyaddr(address)[0]) or ""

    def connect(
        self, host: str, port: int, *, protocol: str, family: str | None, limit_s: float
    ) -> str:
        """Try to reach a port; give an empty text, or why it was not reached."""
        kind = socket.SOCK_DGRAM if protocol == "udp" else socket.SOCK_STREAM
        wanted = {"ipv4": socket.AF_INET, "ipv6": socket.AF_INET6}.get(family or "", 0)
        answers = _within(limit_s, lambda: socket.getaddrinfo(host, port, wanted, kind))
        if not answers:
            return f"Unable to resolve {host}"
        reason = ""
        for each_family, each_kind, number, _name, address in answers:
            with socket.socket(each_family, each_kind, number) as tried:
                tried.settimeout(limit_s)
                try:
                    tried.connect(address)
                    if protocol == "udp":
                        tried.send(b"")
                        with contextlib.suppress(TimeoutError):
                            tried.recv(1)
                except OSError as error:
                    reason = f"Unable to connect to {host} ({address[0]}) on {protocol} port {port}"
                    reason += f": {error.strerror}" if error.strerror else ""
                    continue
                return ""
        return reason


def _address(each: Any, label: str) -> Address:  # noqa: ANN401
    if each.family == socket.AF_INET:
        prefix = ipaddress.ip_network(f"0.0.0.0/{each.netmask or '255.255.255.255'}").prefixlen
        return Address("inet", each.address, prefix, each.broadcast or "", label=label)
    bare = each.address.split("%")[0]
    number = ipaddress.IPv6Address(bare)
    scope = "host" if number.is_loopback else "link" if number.is_link_local else "global"
    mask = ipaddress.IPv6Address((each.netmask or "ffff:ffff:ffff:ffff::").split("/")[0])
    return Address("inet6", bare, bin(int(mask)).count("1"), scope=scope, label=label)


def _within(limit_s: float, ask: Callable[[], T]) -> T | None:
    """Give what a question to the resolver gives, None if it fails or takes too long."""
    found: list[T] = []

    def run() -> None:
        try:
            found.append(ask())
        except (OSError, UnicodeError):
            return

    thread = threading.Thread(target=run, daemon=True)
    thread.start()
    thread.join(limit_s)
    return found[0] if found else None
