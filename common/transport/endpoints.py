"""Addresses as ZeroMQ wants them: numeric only.

A name would be looked up inside ZeroMQ's I/O thread, where a slow resolver stops every socket.
"""

import errno
import socket
from collections.abc import Sequence

from limpet.common.errors import UsageError


def endpoint(address: str, port: int) -> str:
    """Write an endpoint; port 0 lets the kernel choose. Raises `UsageError` for a name."""
    bare, _, _ = address.partition("%")
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    try:
        socket.inet_pton(family, bare)
    except (OSError, ValueError) as error:  # ValueError: a NUL or what is not ASCII
        raise UsageError(f"{address[:80]!a} is not a numeric address") from error
    host = f"[{address}]" if ":" in address else address
    return f"tcp://{host}:{port or '*'}"


def port_of(bound: str) -> int:
    """Read the port of the endpoint that a socket says it is bound to."""
    return int(bound.rstrip("\0").rpartition(":")[2])


def without_doubles(addresses: Sequence[str]) -> list[str]:
    """Drop what another one covers: the IPv6 wildcard serves IPv4 as well."""
    wildcard = "0.0.0.0"  # noqa: S104 - it is what the user asked for
    return [a for a in dict.fromkeys(addresses) if a != wildcard or "::" not in addresses]


def why_not_bound(address: str, port: int, number: int | None, text: str) -> str:
    """Say for people why a port cannot be opened, and what to do."""
    where = f"the port {port} on {address}"
    if number == errno.EADDRINUSE:
        return f"{where} is in use by another process; stop it, or set another port"
    if number == errno.EADDRNOTAVAIL:
        return f"{where} cannot be opened: this host has no such address"
    return f"{where} cannot be opened: {text}"
