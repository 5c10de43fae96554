"""Host and port as people write them: `HOST`, `HOST:PORT`, `[2001:db8::1]:4506`."""

import re
from typing import Final, NamedTuple

from limpet.common.errors import UsageError

_HOST: Final = re.compile(r"\A(?=.{1,253}\Z)[A-Za-z0-9_](?:[A-Za-z0-9_-]{0,62}\.?)+\Z")
_NUMERIC_4: Final = re.compile(r"\A\d+(?:\.\d+)*\Z")


class HostPort(NamedTuple):
    """Where a master listens."""

    host: str
    """A name, or a numeric address without brackets."""
    port: int
    """0: none was given."""


def host_port(text: str) -> HostPort:
    """Take an address apart. Raises `UsageError` saying what is wrong with it."""
    text = text.strip()
    if "://" in text:
        raise UsageError(f"{text[:80]!a}: write the host alone, without a scheme")
    if text.startswith("["):
        host, bracket, rest = text[1:].partition("]")
        if not bracket or (rest and not rest.startswith(":")):
            raise UsageError(f"{text[:80]!a}: write [ADDRESS]:PORT")
        return HostPort(_numeric(host), _port(rest[1:]) if rest else 0)
    if text.count(":") > 1:
        return HostPort(_numeric(text), 0)
    host, colon, rest = text.partition(":")
    port = _port(rest) if colon else 0
    if _NUMERIC_4.match(host):
        return HostPort(_numeric(host), port)
    if not _HOST.match(host) or "--" in host[:2]:
        raise UsageError(f"{text[:80]!a} is not a host name or address: write HOST or HOST:PORT")
    return HostPort(host, port)


def is_numeric(host: str) -> bool:
    """Say whether a host is an address of either family (a zone such as `%eth0` is allowed)."""
    import socket

    for family in (socket.AF_INET, socket.AF_INET6):
        try:
            socket.inet_pton(family, host.partition("%")[0])
        except (OSError, ValueError):
            continue
        return True
    return False


def _numeric(host: str) -> str:
    if not is_numeric(host):
        raise UsageError(f"{host[:80]!a} is not an IP address")
    return host


def _port(text: str) -> int:
    if not text.isascii() or not text.isdigit() or not 1 <= int(text[:6]) <= 65535:
        raise UsageError(f"{text[:20]!a} is not a port: use a number from 1 to 65535")
    return int(text)
