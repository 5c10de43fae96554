"""The kernel's routing tables, read from /proc."""

import ipaddress
import socket
import struct
from pathlib import Path

from limpet.states.ports.machine import Route

_UP, _GATEWAY, _HOST, _REJECT = 0x1, 0x2, 0x4, 0x200
_LOCAL = 0x80000000


def read_all(root: Path = Path("/proc/net")) -> list[Route]:
    """Give all routes of both families, in the kernel's order."""
    return [*_version_4(root / "route"), *_version_6(root / "ipv6_route")]


def _version_4(path: Path) -> list[Route]:
    found = []
    for line in _lines(path)[1:]:
        fields = line.split()
        if len(fields) < 8:
            continue
        flags = int(fields[3], 16)
        if not flags & _UP:
            continue
        prefix = bin(int(fields[7], 16)).count("1")
        gateway = _dotted(fields[2]) if flags & _GATEWAY else ""
        found.append(
            Route(
                "inet",
                f"{_dotted(fields[1])}/{prefix}",
                gateway,
                fields[0],
                _letters(flags),
                int(fields[6]),
            )
        )
    return found


def _version_6(path: Path) -> list[Route]:
    found = []
    for line in _lines(path):
        fields = line.split()
        if len(fields) < 10:
            continue
        flags = int(fields[8], 16)
        if not flags & (_UP | _REJECT):
            continue
        gateway = str(ipaddress.IPv6Address(int(fields[4], 16)))
        destination = str(ipaddress.IPv6Address(int(fields[0], 16)))
        letters = _letters(flags)
        if flags & _LOCAL:
            letters = letters.replace("H", "") + "n"
        found.append(
            Route(
                "inet6",
                f"{destination}/{int(fields[1], 16)}",
                "" if gateway == "::" else gateway,
                fields[9],
                letters,
                int(fields[5], 16),
            )
        )
    return found


def _letters(flags: int) -> str:
    if flags & _REJECT:
        return "!n"
    return "U" + ("G" if flags & _GATEWAY else "") + ("H" if flags & _HOST else "")


def _dotted(text: str) -> str:
    return socket.inet_ntoa(struct.pack("<L", int(text, 16)))


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text("ascii", "replace").splitlines()
    except OSError:
        return []
