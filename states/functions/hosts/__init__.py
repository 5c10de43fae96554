"""`hosts.*`: the table of hosts, /etc/hosts."""

import ipaddress
from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.hosts.table import Table
from limpet.states.ports import programs

PATH: Final = "/etc/hosts"


def list_hosts(context: FunctionContext) -> dict[str, Any]:
    """Give the whole table: names and comment by address.

    CLI Example: limpet run '*' hosts.list_hosts
    """
    return _read(context).data()


def get_ip(context: FunctionContext, host: str) -> str:
    """Give the first address of a name; empty if it has none.

    CLI Example: limpet run '*' hosts.get_ip web1
    """
    return next(iter(_read(context).addresses(host)), "")


def get_alias(context: FunctionContext, ip: str) -> list[str]:
    """Give the names of an address.

    CLI Example: limpet run '*' hosts.get_alias 127.0.0.1
    """
    return _read(context).names(ip)


def has_pair(context: FunctionContext, ip: str, alias: Loose) -> bool:
    """Say whether an address has a name, or all of a list of names.

    CLI Example: limpet run '*' hosts.has_pair 127.0.0.1 localhost
    """
    names = _read(context).names(ip)
    wanted = alias if isinstance(alias, list) else [alias]
    return bool(names) and all(str(each) in names for each in wanted)


def set_host(context: FunctionContext, ip: str, alias: str, comment: str | None = None) -> bool:
    """Give an address exactly these names; none take it out of the table.

    CLI Example: limpet run '*' hosts.set_host 10.0.0.1 'web1 web1.example.org'
    """
    table = _read(context)
    table.set(address(ip), tuple(host_name(each) for each in alias.split()))
    if comment is not None:
        table.set_comment(ip, _comment(comment))
    return _write(context, table)


def add_host(context: FunctionContext, ip: str, alias: Loose) -> bool:
    """Give an address another name beside those that it has.

    CLI Example: limpet run '*' hosts.add_host 10.0.0.1 web1
    """
    table = _read(context)
    present = table.names(ip)
    for each in alias if isinstance(alias, list) else [alias]:
        if str(each) not in present:
            table.add(address(ip), host_name(each))
    return _write(context, table)


def rm_host(context: FunctionContext, ip: str, alias: str) -> bool:
    """Take a name from an address.

    CLI Example: limpet run '*' hosts.rm_host 10.0.0.1 web1
    """
    table = _read(context)
    table.remove(ip, alias)
    return _write(context, table)


def set_comment(context: FunctionContext, ip: str, comment: str) -> bool:
    """Set the comment of an address; false if it is not in the table.

    CLI Example: limpet run '*' hosts.set_comment 10.0.0.1 'the web server'
    """
    table = _read(context)
    if table.comment(ip) is None:
        context.retcode = int(context.is_published)
        return False
    table.set_comment(ip, _comment(comment))
    return _write(context, table)


def address(ip: Loose) -> str:
    """Give an address as a text if it is one. Raises `HostError`."""
    text = str(ip)
    try:
        ipaddress.ip_address(text)
    except ValueError:
        raise HostError(f"{text!r:.80} is no IP address") from None
    return text


def host_name(name: Loose) -> str:
    """Give a name as a text if a host may have it. Raises `HostError`."""
    return programs.plain_word(name, "the name of a host", r"[^\s#-][^\s#]{0,254}")


def _comment(comment: str) -> str:
    return programs.plain_line(comment, "a comment", "#").strip()


def _read(context: FunctionContext) -> Table:
    return Table(context.host.files.read_text(PATH) or "")


def _write(context: FunctionContext, table: Table) -> bool:
    file_system = context.host.file_system
    content = table.text().encode("utf-8", "surrogateescape")
    present = file_system.facts(PATH, is_following=True)
    if present is not None and file_system.read(PATH) == content:
        return True
    file_system.place(PATH, content, mode=0o644 if present is None else None)
    return True
