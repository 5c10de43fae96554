"""Names: an address for one, and the name of this machine itself."""

import ipaddress
import re

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext

_RESOLVE_S = 5.0
_HOSTNAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9.-]{0,251}[A-Za-z0-9])?")


def dns_check(
    context: FunctionContext, addr: str, port: int = 0, safe: bool = False, ipv6: bool | None = None
) -> str:
    """Give an address of a name; an address itself comes back as it is.

    CLI Example: limpet run '*' network.dns_check example.org 80
    """
    try:
        return str(ipaddress.ip_address(addr))
    except ValueError:
        pass
    network = context.host.network
    found = [] if ipv6 else network.resolve(addr, "inet", limit_s=_RESOLVE_S)
    if not found and ipv6 is not False:
        found = [f"[{each}]" for each in network.resolve(addr, "inet6", limit_s=_RESOLVE_S)]
    if not found:
        raise HostError(f"DNS lookup of {addr!r} failed")
    return found[0]


def get_bufsize(context: FunctionContext, iface: str) -> dict[str, str]:
    """Give the sizes of an interface's buffers: none, as they are not asked for here.

    CLI Example: limpet run '*' network.get_bufsize eth0
    """
    return {}


def mod_hostname(context: FunctionContext, hostname: str) -> bool:
    """Give the machine another name, now and for its next start.

    CLI Example: limpet run web1 network.mod_hostname web2.example.org
    """
    if not hostname:
        return False
    if not _HOSTNAME.fullmatch(hostname):
        raise UsageError(f"{hostname!r} is no name that a machine can have")
    if context.host.commands.which("hostnamectl") is None:
        raise HostError("network.mod_hostname needs the program hostnamectl of systemd")
    answer = context.call(
        "cmd.run_all", ["hostnamectl", "set-hostname", hostname], python_shell=False, timeout=30,
        ignore_retcode=True,
    )  # fmt: skip
    if answer["retcode"] != 0:
        raise HostError(f"the name {hostname} can't be set: {answer['stderr']}")
    return True
