"""What hosts are told: the name of this master, the one line, and what the firewall must let in."""

import ipaddress
import os
import shlex
import threading
from collections.abc import Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

from limpet.common.settings.master import ANY_ADDRESS, PORT_DEFAULT, MasterConfiguration
from limpet.common.settings.minion_identity import HostNames
from limpet.common.setup.reach import resolve

NAME_S: Final = 2.0


def name_for_hosts(configuration: MasterConfiguration) -> str:
    """Guess by which name or address other hosts reach this one.

    The only address that is listened on; else the host's name, if it stands for an address that
    others can reach; else the address of this host towards the world.
    """
    numeric = [each for each in configuration.listen if each != ANY_ADDRESS and not _is_any(each)]
    if len(numeric) == 1 and len(configuration.listen) == 1:
        return numeric[0]
    host = HostNames()
    for name in dict.fromkeys((_qualified(host), host.node())):
        if name and any(is_for_others(each) for each in resolve(name, NAME_S).addresses):
            return name
    return next(iter((*host.addresses(), *interface_addresses())), host.node())


def interface_addresses(table: Path = Path("/proc/net/fib_trie")) -> tuple[str, ...]:
    """Give the IPv4 addresses of this host's interfaces, but for loopback, from the kernel's table.

    For hosts without a way to the world, where no address can be told by asking for the way there.
    """
    try:
        lines = table.read_text(encoding="ascii").splitlines()
    except OSError:
        return ()
    found: dict[str, None] = {}
    for above, line in pairwise(lines):
        address = above.strip().removeprefix("|-- ")
        if line.strip() == "/32 host LOCAL" and not _is_loopback(address):
            found[address] = None
    return tuple(found)


def _qualified(host: HostNames) -> str:
    """Ask for the full name, in a thread that is left behind if the name servers are dead."""
    found: list[str] = []
    thread = threading.Thread(target=lambda: found.append(host.qualified()), daemon=True)
    thread.start()
    thread.join(NAME_S)
    return found[0] if found else ""


def _is_any(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_unspecified


def is_for_others(address: str) -> bool:
    """Say whether an address can mean this host to others."""
    return not _is_loopback(address)


def _is_loopback(address: str) -> bool:
    return ipaddress.ip_address(address.partition("%")[0]).is_loopback


def line_for_hosts(
    configuration: MasterConfiguration, name: str, join_string: str, *, uses: int
) -> str:
    """Give the command that brings a host's minion up.

    A string that is good for one host only may stand on the command line, where other users of the
    host could see it for a moment; one for several hosts is handed over on stdin.
    """
    place = name
    if configuration.port != PORT_DEFAULT:
        place = f"[{name}]:{configuration.port}" if ":" in name else f"{name}:{configuration.port}"
    words = ["limpet", "minion", "setup", "--master", place]
    if configuration.enrol_port != configuration.port - 1:
        words += ["--enrol-port", str(configuration.enrol_port)]
    line = " ".join(shlex.quote(word) for word in words)
    if uses == 1:
        return f"{line} --join {join_string}"
    return f"echo {join_string} | {line} --join -"


def firewall_lines(ports: Sequence[int]) -> tuple[str, ...]:
    """Give examples of letting the ports in; every other way will do as well."""
    numbers = ", ".join(str(port) for port in ports)
    return (
        f"nft add rule inet filter input tcp dport {{ {numbers} }} accept",
        f"ufw allow {numbers.replace(' ', '')}/tcp",
    )


def package_line(version: str) -> str:
    """Give the command that installs the minion's package from a file."""
    machine = os.uname().machine
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(machine, machine)
    return f"apt install ./limpet-minion_{version}_{architecture}.deb"
