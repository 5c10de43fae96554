"""The minion's name: found once by Salt's rule, kept, and the same ever after.

The identity of a minion is its key; the id is what the key was accepted under. So a host that
is renamed, or that had no name yet when it first started, keeps the id of its first start.

Salt's rule: the host's names (fully qualified first), `/etc/hostname`, the names that `/etc/hosts`
gives to loopback addresses, its addresses; never `localhost`. Where nothing is left, an id
is generated: a minion without any name must not be turned away for ever.
"""

import os
import re
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Final, Literal, NamedTuple

from limpet.common.crypto.keyfiles import read_twice, write_twice
from limpet.common.errors import SourceError, UsageError
from limpet.common.identifiers import MinionId, minion_id

RESOLVE_S: Final = 3.0
"""How long the resolver may take; with a dead name server it takes far longer."""
TEXT_BYTES_MAX: Final = 64 * 1024

_NOBODY: Final = re.compile(
    r"\A(?:localhost.*|ip6-.*|.*\.localhost(?:\.|\Z).*|127\..*|0\.0\.0\.0|::1|\(none\)|)\Z"
)
"""Names and addresses that every host has."""

Source = Literal["configured", "kept", "name", "address", "generated"]


class FoundId(NamedTuple):
    """A minion id, and where it is from."""

    minion: MinionId
    source: Source
    notices: tuple[str, ...] = ()
    """For the log."""


class HostNames:
    """What the host says of itself; a test hands in another one."""

    def qualified(self) -> str:
        """Give the fully qualified name. May take as long as the resolver likes."""
        import socket

        return socket.getfqdn()

    def node(self) -> str:
        """Give the kernel's name of the host."""
        return os.uname().nodename

    def text(self, path: str) -> str:
        """Give a small file, or nothing."""
        try:
            with open(path, "rb") as file:
                return file.read(TEXT_BYTES_MAX).decode("utf-8", "replace")
        except OSError:
            return ""

    def addresses(self) -> tuple[str, ...]:
        """Give this host's address towards the world, if it has one. Sends nothing."""
        import socket

        found = []
        for family, anywhere in ((socket.AF_INET, "192.0.2.1"), (socket.AF_INET6, "2001:db8::1")):
            try:
                with socket.socket(family, socket.SOCK_DGRAM) as probe:
                    probe.connect((anywhere, 9))
                    found.append(str(probe.getsockname()[0]))
            except OSError:
                continue
        return tuple(found)


def find_minion_id(
    state_dir: Path, configured: str | None, *, host: HostNames | None = None
) -> FoundId:
    """Give the id: the configured one, else the kept one, else one that is found and kept now.

    `state_dir` exists. Raises `UsageError` for a configured id that is none, `HostError` if a new
    id can't be written down (it would change at the next start).
    """
    path = state_dir / "minion_id"
    kept, notices = _kept(path)
    if configured is not None:
        found = FoundId(minion_id(configured), "configured", notices)
        if kept is not None and kept != found.minion:
            notice = f"the id was {kept} before; the master still knows the key under that name"
            found = found._replace(notices=(*notices, notice))
    elif kept is not None:
        return FoundId(kept, "kept", notices)
    else:
        found = guess_minion_id(host if host is not None else HostNames())
        found = found._replace(notices=(*notices, *found.notices))
    if kept != found.minion:
        write_twice(path, f"{found.minion}\n".encode())
    return found


def guess_minion_id(host: HostNames) -> FoundId:
    """Find an id by Salt's rule, within a few seconds."""
    qualified = _in_time(host.qualified, RESOLVE_S)
    names = [qualified or "", host.node(), host.text("/etc/hostname").strip()]
    names += _loopback_names(host.text("/etc/hosts"))
    notices = () if qualified is not None else ("the resolver did not answer; asked without it",)
    usable = [found for name in names if (found := _usable(name)) is not None]
    for found in sorted(usable, key=lambda name: "." not in name):
        return FoundId(found, "name", notices)
    for address in host.addresses():
        usable_address = _usable(address.replace(":", "-").strip("-"))
        if usable_address is not None and not _NOBODY.match(address):
            return FoundId(usable_address, "address", notices)
    generated = MinionId(f"minion-{os.urandom(5).hex()}")
    return FoundId(generated, "generated", (*notices, f"this host has no name: it is {generated}"))


def _kept(path: Path) -> tuple[MinionId | None, tuple[str, ...]]:
    """Read the kept id; a damaged one is found anew."""

    def read(text: bytes) -> bytes:
        try:
            line = text.decode("utf-8-sig").strip()
        except UnicodeDecodeError as error:
            raise UsageError("not text") from error
        return minion_id(line).encode()

    try:
        data, notices = read_twice(path, read)
    except SourceError as error:
        return None, (f"{error}; the id is found anew",)
    return (None if data is None else MinionId(data.decode())), notices


def _usable(name: str) -> MinionId | None:
    """Give a name as an id, if it can be one and is not everybody's."""
    name = name.strip().rstrip(".")
    if _NOBODY.match(name.lower()):
        return None
    try:
        return minion_id(name)
    except UsageError:
        return None


def _loopback_names(hosts: str) -> Iterable[str]:
    """Give the names that a hosts file has for this host itself."""
    for line in hosts.splitlines():
        address, *names = line.partition("#")[0].split() or [""]
        if address.startswith("127.") or address == "::1":
            yield from names


def _in_time(ask: Callable[[], str], limit_s: float) -> str | None:
    """Ask in a thread that is left behind if it takes too long: the resolver can't be stopped."""
    answers: list[str] = []

    def run() -> None:
        try:
            answers.append(ask())
        except (OSError, UnicodeError):  # a name that no resolver takes is no name
            answers.append("")

    thread = threading.Thread(target=run, name="resolver", daemon=True)
    thread.start()
    thread.join(limit_s)
    return answers[0] if answers else None
