"""The part of `network.*` that is about names, sockets, and whether others can be reached."""

import re
from typing import Any, Literal

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.ports.machine import Command, Completed, Connection

_RESOLVER_S = 5.0
_COMMAND_S = 60.0
_HOST = re.compile(r"[0-9A-Za-z:][0-9A-Za-z._:%-]{0,254}")


def get_hostname(context: FunctionContext) -> str:
    """Give this machine's own name.

    CLI Example: limpet run '*' network.get_hostname
    """
    return context.host.network.hostname()


def get_fqdn(context: FunctionContext) -> str:
    """Give this machine's name with its domain.

    CLI Example: limpet run '*' network.get_fqdn
    """
    return context.host.network.full_name(limit_s=_RESOLVER_S)


def fqdns(context: FunctionContext) -> dict[str, list[str]]:
    """Give all names that the resolver has for the addresses of this machine.

    CLI Example: limpet run '*' network.fqdns
    """
    found: set[str] = set()
    for each in context.host.network.interfaces():
        for one in each.addresses:
            if not one.address.startswith(("127.", "fe80:")) and one.address != "::1":
                name = context.host.network.reverse(one.address, limit_s=_RESOLVER_S)
                found.update([name] if name else [])
    return {"fqdns": sorted(found)}


def ping(
    context: FunctionContext, host: str, timeout: int = 0, return_boolean: bool = False
) -> str | bool:
    """Send four ICMP pings; give what `ping` prints, or with `return_boolean` whether all is well.

    CLI Example: limpet run '*' network.ping example.org timeout=3 return_boolean=True
    """
    words = ["-c", "4", *(["-W", str(timeout)] if timeout > 0 else []), _host(host)]
    answer = _run(context, "ping", *words)
    if return_boolean:
        return answer.retcode == 0
    return _text(answer)


def connect(
    context: FunctionContext,
    host: str,
    port: int,
    proto: Literal["tcp", "udp"] = "tcp",
    timeout: float = 5,
    family: Literal["ipv4", "ipv6"] | None = None,
) -> dict[str, Any]:
    """Try to reach a port; give `result` and `comment`.

    CLI Example: limpet run '*' network.connect archlinux.org 443 timeout=3 family=ipv4
    """
    if not 0 < port < 65536:
        raise UsageError(f"network.connect: {port} is not a port")
    _host(host)
    reason = context.host.network.connect(
        host, port, protocol=proto, family=family, limit_s=timeout
    )
    if reason:
        return {"result": False, "comment": reason}
    return {"result": True, "comment": f"Successfully connected to {host} on {proto} port {port}"}


def netstat(context: FunctionContext) -> list[dict[str, str]]:
    """Give all TCP and UDP sockets with their owners.

    CLI Example: limpet run '*' network.netstat
    """
    found: list[dict[str, str]] = []
    for each in context.host.network.connections():
        entry = {
            "proto": each.protocol,
            "recv-q": str(each.receive_queue),
            "send-q": str(each.send_queue),
            "local-address": _endpoint(each.local_address, each.local_port),
            "remote-address": _endpoint(each.remote_address, each.remote_port),
            "user": str(each.uid),
            "inode": str(each.inode),
            "program": f"{each.pid}/{each.program}" if each.pid else "-",
        }
        if each.protocol.startswith("tcp"):
            entry["state"] = each.state
        found.append(entry)
    return found


def active_tcp(context: FunctionContext) -> dict[int, dict[str, Any]]:
    """Give the established TCP connections, numbered.

    CLI Example: limpet run '*' network.active_tcp
    """
    live = [
        each
        for each in context.host.network.connections()
        if each.protocol == "tcp" and each.state == "ESTABLISHED"
    ]
    return {number: _pair(each) for number, each in enumerate(live)}


def dig(context: FunctionContext, host: str) -> str:
    """Give what `dig` prints for a name.

    CLI Example: limpet run '*' network.dig archlinux.org
    """
    return _text(_run(context, "dig", _host(host)))


def traceroute(context: FunctionContext, host: str) -> list[dict[str, Any]]:
    """Give the hops to a host: number, name, address and times in milliseconds.

    CLI Example: limpet run '*' network.traceroute archlinux.org
    """
    found: list[dict[str, Any]] = []
    for line in _text(_run(context, "traceroute", _host(host))).splitlines():
        hop = re.match(r"\s*(\d+)\s+(?:(\S+)\s+\(([^)]+)\)|\*)", line)
        if hop is None:
            continue
        times = re.findall(r"([\d.]+)\s+ms", line)
        entry: dict[str, Any] = {
            "count": int(hop.group(1)),
            "hostname": hop.group(2),
            "ip": hop.group(3),
        }
        entry.update({f"ms{number}": each for number, each in enumerate(times[:3], 1)})
        found.append(entry)
    return found


def _pair(each: Connection) -> dict[str, Any]:
    return {
        "local_addr": each.local_address,
        "local_port": str(each.local_port),
        "remote_addr": each.remote_address,
        "remote_port": str(each.remote_port),
    }


def _endpoint(address: str, port: int) -> str:
    return f"{address}:{port or '*'}"


def _host(text: str) -> str:
    """Check a name or address that goes into a command: nothing that could be an option."""
    if not _HOST.fullmatch(text):
        raise UsageError(f"{text[:80]!a} is not a name or address of a host")
    return text


def _run(context: FunctionContext, program: str, *words: str) -> Completed:
    environment = context.host.commands.environment()
    path = ":".join(each for each in (environment.get("PATH"), "/usr/sbin:/sbin") if each)
    found = context.host.commands.which(program, path)
    if found is None:
        raise HostError(f"the program {program} is not installed")
    return context.host.commands.run(
        Command(
            (found, *words),
            environment,
            cwd="/",
            timeout_s=_COMMAND_S,
            is_stderr_in_stdout=True,
            on_output=context.stream,
        )
    )


def _text(answer: Completed) -> str:
    return answer.stdout.decode("utf-8", "replace").rstrip()
