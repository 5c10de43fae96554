"""`dnsutil.*`: names and addresses, files of hosts, files of zones.

What asks a name server has a limit. `A` and `AAAA` use the system's resolver; a name server that is
named, and all other records, need the program `dig`.
"""

import ipaddress
import re
import time
from collections.abc import Iterable
from typing import Any, Final, Literal

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose

_HOSTS: Final = "/etc/hosts"
_RESOLVE_S: Final = 5.0
_DIG_S: Final = 15.0


def parse_hosts(
    context: FunctionContext, hostsfile: str = _HOSTS, hosts: str | None = None
) -> Loose:
    """Give the names of each address in a file of hosts, or in a text that is one.

    CLI Example: limpet run '*' dnsutil.parse_hosts
    """
    text = hosts if hosts else context.host.files.read_text(hostsfile)
    if not text:
        return "Error: hosts data was not found"
    found: dict[str, list[str]] = {}
    for line in text.splitlines():
        words = line.split()
        if words and not line.startswith("#"):
            found.setdefault(words[0], []).extend(words[1:])
    return found


def hosts_append(
    context: FunctionContext,
    hostsfile: str = _HOSTS,
    ip_addr: str | None = None,
    entries: Loose = None,
) -> str:
    """Add a line with those names to a file of hosts that the address has not got yet.

    CLI Example: limpet run '*' dnsutil.hosts_append /etc/hosts 127.0.0.1 ad1.example.org
    """
    present = parse_hosts(context, hostsfile)
    had = present.get(ip_addr, []) if isinstance(present, dict) else []
    names = [each for each in _names(entries) if each not in had]
    if not ip_addr or not names:
        return f"No additional hosts were added to {hostsfile}"
    line = f"{ip_addr} {' '.join(names)}"
    before = _text(context, hostsfile).rstrip("\n")
    _rewrite(context, hostsfile, f"{before}\n{line}" if before else line)
    return f"The following line was added to {hostsfile}:\n{line}"


def hosts_remove(context: FunctionContext, hostsfile: str = _HOSTS, entries: Loose = None) -> None:
    """Take names out of a file of hosts; an address without a name goes.

    CLI Example: limpet run '*' dnsutil.hosts_remove /etc/hosts ad1.example.org
    """
    unwanted = set(_names(entries))
    lines = []
    for line in _text(context, hostsfile).splitlines():
        words = line.split()
        if not words or line.startswith("#") or not unwanted.intersection(words[1:]):
            lines.append(line)
            continue
        left = [each for each in words[1:] if each not in unwanted]
        if left:
            lines.append(" ".join([words[0], *left]))
    _rewrite(context, hostsfile, "\n".join(lines))


def parse_zone(
    context: FunctionContext, zonefile: str | None = None, zone: str | None = None
) -> Loose:
    """Give what stands in a file of a zone, or in a text that is one.

    CLI Example: limpet run ns1 dnsutil.parse_zone /var/lib/named/example.com.zone
    """
    text = zone if zone else context.host.files.read_text(zonefile or "")
    if not text:
        return "Error: Zone data was not found"
    return _parsed_zone(text)


def check_ip(context: FunctionContext, ip_addr: str) -> bool:
    """Say whether a text is an IP address.

    CLI Example: limpet run ns1 dnsutil.check_ip 127.0.0.1
    """
    return _is_address(ip_addr)


def A(context: FunctionContext, host: str, nameserver: str | None = None) -> Loose:
    """Give the IPv4 addresses of a name, or say that there are none.

    CLI Example: limpet run ns1 dnsutil.A www.google.com
    """
    return _addresses(context, host, nameserver, "A")


def AAAA(context: FunctionContext, host: str, nameserver: str | None = None) -> Loose:
    """Give the IPv6 addresses of a name, or say that there are none.

    CLI Example: limpet run ns1 dnsutil.AAAA www.google.com
    """
    return _addresses(context, host, nameserver, "AAAA")


def NS(
    context: FunctionContext, domain: str, resolve: bool = True, nameserver: str | None = None
) -> list[str]:
    """Give the name servers of a domain, as addresses if `resolve` says so.

    CLI Example: limpet run ns1 dnsutil.NS google.com
    """
    found = _dig(context, domain, "NS", nameserver)
    if not resolve:
        return found
    return [address for name in found for address in _dig(context, name, "A", nameserver)]


def MX(
    context: FunctionContext, domain: str, resolve: bool = False, nameserver: str | None = None
) -> list[list[str]]:
    """Give the mail servers of a domain with their priorities.

    CLI Example: limpet run ns1 dnsutil.MX google.com
    """
    found = [each.split() for each in _dig(context, domain, "MX", nameserver)]
    pairs = [each for each in found if len(each) == 2]
    if resolve:
        pairs = [
            [priority, (_dig(context, name, "A", nameserver) or [name])[0]]
            for priority, name in pairs
        ]
    return pairs


def SPF(
    context: FunctionContext, domain: str, record: str = "SPF", nameserver: str | None = None
) -> list[str]:
    """Give the networks that a domain's SPF record allows to send its mail.

    CLI Example: limpet run ns1 dnsutil.SPF google.com
    """
    for kind in dict.fromkeys((record, "TXT")):
        for each in _dig(context, domain, kind, nameserver):
            words = each.strip('"').split()
            if words[:1] == ["v=spf1"]:
                return [re.sub(r"^ip[46]:", "", word) for word in words if word.startswith("ip")]
    return []


def serial(context: FunctionContext, zone: str = "", update: bool = False) -> str:
    """Give the serial number of a zone, of today's date and a count that `update` raises.

    CLI Example: limpet run ns1 dnsutil.serial example.com
    """
    now = time.strftime("%Y%m%d01", time.localtime(context.host.system.now()))
    kept = context.call("data.get", f"dnsserial:{zone}") or ""
    if not update and kept:
        return str(kept)
    found = max(now, str(int(kept) + 1)) if str(kept).isdigit() else now
    context.call("data.update", f"dnsserial:{zone}", found)
    return found


def _addresses(
    context: FunctionContext, host: str, nameserver: str | None, kind: Literal["A", "AAAA"]
) -> Loose:
    if _is_address(host):
        return [host]
    if nameserver is not None:
        return _dig(context, host, kind, nameserver)
    family: Literal["inet", "inet6"] = "inet" if kind == "A" else "inet6"
    found = context.host.network.resolve(host, family, limit_s=_RESOLVE_S)
    return found or f"Unable to resolve {host}"


def _dig(context: FunctionContext, name: str, kind: str, nameserver: str | None) -> list[str]:
    """Ask `dig`. Raises `HostError` where it is not there or has no answer in time."""
    if context.host.commands.which("dig") is None:
        raise HostError(f"dnsutil: asking for {kind} records needs the program dig")
    if name.startswith(("-", "+", "@")) or (nameserver or "").startswith("-"):
        raise UsageError(f"dnsutil: {name!r} is no name")
    server = [f"@{nameserver}"] if nameserver else []
    answer = context.call(
        "cmd.run_all", ["dig", "+short", *server, name, kind], python_shell=False, timeout=_DIG_S,
        ignore_retcode=True,
    )  # fmt: skip
    if answer["retcode"] != 0:
        raise HostError(f"dig {name} {kind}: {answer['stderr'] or answer['stdout']}")
    lines = [line.strip() for line in str(answer["stdout"]).splitlines()]
    found = [line for line in lines if line and not line.startswith(";")]
    if kind in ("A", "AAAA"):
        found = [line for line in found if _is_address(line)]
    return found


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(str(text))
    except ValueError:
        return False
    return True


def _names(entries: Loose) -> list[str]:
    each: Iterable[Any] = entries if isinstance(entries, list) else str(entries or "").split(",")
    return [str(name).strip() for name in each if str(name).strip()]


def _text(context: FunctionContext, path: str) -> str:
    if context.host.file_system.facts(path, is_following=True) is None:
        return ""
    return context.host.file_system.read(path).decode("utf-8", "surrogateescape")


def _rewrite(context: FunctionContext, path: str, text: str) -> None:
    content = f"{text}\n".encode("utf-8", "surrogateescape")
    context.host.file_system.place(path, content, mode=None)


def _parsed_zone(text: str) -> dict[str, Any]:
    """Read a zone as Salt shows it: the SOA's parts, then each kind of record."""
    found: dict[str, Any] = {}
    name = ""
    for line in _whole_lines(text):
        words = line.split()
        if line.startswith("$"):
            found[words[0].lstrip("$")] = words[1] if len(words) > 1 else ""
            continue
        if "SOA" in words:
            _put_soa(found, words)
            name = found.get("ORIGIN", "")
            continue
        if not line[0].isspace():
            name = _absolute(words.pop(0), found)
        while words and (words[0] == "IN" or words[0].isdigit()):  # the class, the time to live
            words.pop(0)
        if len(words) < 2:
            continue
        _put_record(found, name, words[0], words[1:])
    return found


def _whole_lines(text: str) -> list[str]:
    """Give the lines without comments, those in brackets joined to one."""
    lines: list[str] = []
    pending = ""
    for raw in text.splitlines():
        line = raw.split(";", 1)[0].rstrip()
        if not line.strip():
            continue
        pending = f"{pending} {line.strip()}" if pending else line
        if pending.count("(") > pending.count(")"):
            continue
        lines.append(pending.replace("(", " ").replace(")", " "))
        pending = ""
    return [*lines, pending] if pending else lines


def _put_soa(found: dict[str, Any], words: list[str]) -> None:
    place = words.index("SOA")
    rest = words[place + 1 :]
    if len(rest) < 7 or not all(each.isdigit() for each in rest[2:7]):
        raise UsageError("the SOA of the zone is not whole: two names and five numbers are wanted")
    found.setdefault("ORIGIN", words[0])
    found["NETWORK"] = "IN"
    found["SOURCE"] = rest[0]
    found["CONTACT"] = rest[1].replace(".", "@", 1)
    found["SERIAL"] = rest[2]
    for key, value in zip(("REFRESH", "RETRY", "EXPIRE", "MINTTL"), rest[3:7], strict=True):
        found[key] = int(value)


def _put_record(found: dict[str, Any], name: str, kind: str, values: list[str]) -> None:
    if kind == "MX":
        mail = {"priority": values[0], "host": values[-1]}
        found.setdefault("MX", []).append(mail)
    elif kind == "NS":
        found.setdefault("NS", []).append(values[0])
    else:
        found.setdefault(kind, {})[name] = " ".join(values)


def _absolute(name: str, found: dict[str, Any]) -> str:
    origin = str(found.get("ORIGIN", ""))
    if name == "@":
        return origin
    return name if name.endswith(".") or not origin else f"{name}.{origin}"
