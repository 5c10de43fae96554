"""The kernel's tables of TCP and UDP sockets, read from /proc, with the processes that hold one."""

import ipaddress
import os
import struct
from pathlib import Path
from typing import Literal

from limpet.states.ports.machine import Connection

_STATES = {
    "01": "ESTABLISHED",
    "02": "SYN_SENT",
    "03": "SYN_RECV",
    "04": "FIN_WAIT1",
    "05": "FIN_WAIT2",
    "06": "TIME_WAIT",
    "07": "CLOSE",
    "08": "CLOSE_WAIT",
    "09": "LAST_ACK",
    "0A": "LISTEN",
    "0B": "CLOSING",
}

Protocol = Literal["tcp", "tcp6", "udp", "udp6"]
_TABLES: tuple[Protocol, ...] = ("tcp", "tcp6", "udp", "udp6")


def read_all(proc: Path = Path("/proc")) -> list[Connection]:
    """Give all sockets, TCP first."""
    holders = _holders(proc)
    found: list[Connection] = []
    for protocol in _TABLES:
        try:
            lines = (proc / "net" / protocol).read_text("ascii", "replace").splitlines()[1:]
        except OSError:
            continue
        for line in lines:
            connection = _parse(protocol, line.split(), holders)
            if connection is not None:
                found.append(connection)
    return found


def _parse(
    protocol: Protocol, fields: list[str], holders: dict[int, tuple[int, str]]
) -> Connection | None:
    if len(fields) < 10:
        return None
    local_address, local_port = _endpoint(fields[1])
    remote_address, remote_port = _endpoint(fields[2])
    send, _, receive = fields[4].partition(":")
    inode = int(fields[9])
    pid, program = holders.get(inode, (0, "")) if inode else (0, "")
    return Connection(
        protocol=protocol,
        local_address=local_address,
        local_port=local_port,
        remote_address=remote_address,
        remote_port=remote_port,
        state=_STATES.get(fields[3], "") if protocol.startswith("tcp") else "",
        receive_queue=int(receive or "0", 16),
        send_queue=int(send or "0", 16),
        inode=inode,
        uid=int(fields[7]),
        pid=pid,
        program=program,
    )


def _endpoint(text: str) -> tuple[str, int]:
    address, _, port = text.partition(":")
    words = [int(address[start : start + 8], 16) for start in range(0, len(address), 8)]
    packed = struct.pack(f"={len(words)}L", *words)
    return str(ipaddress.ip_address(packed)), int(port, 16)


def _holders(proc: Path) -> dict[int, tuple[int, str]]:
    """Find which process holds which socket, as far as this user may look."""
    found: dict[int, tuple[int, str]] = {}
    for entry in os.listdir(proc):
        if not entry.isdigit():
            continue
        try:
            descriptors = os.listdir(proc / entry / "fd")
            name = (proc / entry / "comm").read_text("utf-8", "replace").strip()
        except OSError:
            continue
        for descriptor in descriptors:
            try:
                target = os.readlink(proc / entry / "fd" / descriptor)
            except OSError:
                continue
            if target.startswith("socket:["):
                found.setdefault(int(target[8:-1]), (int(entry), name))
    return found
