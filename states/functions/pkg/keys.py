"""Keys that repositories are signed with: where they come from, and where apt looks for them."""

import hashlib
import os.path
import re
from collections.abc import Callable, Sequence
from typing import Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.functions.pkg import openpgp
from limpet.states.ports.machine import Command

Fetch = Callable[[str], bytes | None]
"""Gives what lies at an address (`salt://`, http(s), a path); None: nothing."""

_KEYSERVER_S: Final = 60.0
_HELPERS_END_S: Final = 10.0
_KEY_ID: Final = re.compile(r"(?:0x)?[0-9A-Fa-f]{8,40}\Z")
_KEYSERVER: Final = re.compile(r"(?:(?:hkps?|https?|ldap)://)?[A-Za-z0-9][A-Za-z0-9.:/_\[\]-]*\Z")


def fetcher(context: FunctionContext, saltenv: str = "base") -> Fetch:
    """Give what fetches by the functions of this minion."""

    def fetch(source: str) -> bytes | None:
        if source.startswith(("/", "file://")):
            path = source.removeprefix("file://")
            if context.host.file_system.facts(path, is_following=True) is None:
                return None
            return context.host.file_system.read(path)
        place = context.call("cp.cache_file", source, saltenv=saltenv)
        return context.host.file_system.read(str(place)) if place else None

    return fetch


def fetched(fetch: Fetch, source: str) -> bytes:
    """Give the key that lies at an address. Raises `HostError`."""
    content = fetch(source)
    if content is None:
        raise HostError(f"there is no key at {source}")
    return openpgp.check(content, source)


def received(context: FunctionContext, key_ids: Sequence[str], keyserver: str) -> bytes:
    """Ask a key server for keys; give them plain. gpg gets a home of its own, and a minute."""
    for each in key_ids:
        if not _KEY_ID.match(each):
            raise UsageError(f"{each!r} is no id of an OpenPGP key; quote it if it is a number")
    if not _KEYSERVER.match(keyserver):
        raise UsageError(f"{keyserver!r} is no name of a key server")
    commands = context.host.commands
    if commands.which("gpg") is None:
        raise HostError("gpg is needed for keyid and keyserver; install it, or give key_url")
    home = f"{context.places.state_directory}/gnupg"
    file_system = context.host.file_system
    file_system.remove(home)
    context.call("file.makedirs", f"{home}/", mode="0700")
    environment = {**commands.environment(), "GNUPGHOME": home, "LC_ALL": "C.UTF-8"}
    base = ("gpg", "--batch", "--no-tty", "--homedir", home)
    try:
        for words in (
            ("--keyserver", keyserver, "--recv-keys", *key_ids),
            ("--export", *key_ids),
        ):
            done = commands.run(
                Command((*base, *words), environment=environment, cwd="/", timeout_s=_KEYSERVER_S)
            )
            if done.is_timed_out or done.retcode != 0:
                said = done.stderr.decode("utf-8", "replace").strip().splitlines()
                reason = "no answer in time" if done.is_timed_out else (said or ["gpg failed"])[-1]
                raise HostError(f"key {', '.join(key_ids)} can't be had from {keyserver}: {reason}")
        return openpgp.check(done.stdout, keyserver)
    finally:
        if commands.which("gpgconf"):  # gpg has left its helpers running, for this home alone
            end = ("gpgconf", "--homedir", home, "--kill", "all")
            commands.run(Command(end, environment=environment, cwd="/", timeout_s=_HELPERS_END_S))
        file_system.remove(home)


def place(context: FunctionContext, key: bytes, path: str) -> bool:
    """Put a key where apt looks for it; False: it is there already."""
    file_system = context.host.file_system
    content = openpgp.fitting(key, path)
    facts = file_system.facts(path, is_following=True)
    if facts is not None and facts.size == len(content) and file_system.read(path) == content:
        return False
    folder = os.path.dirname(path)
    if file_system.facts(folder, is_following=True) is None:
        context.call("file.makedirs", path, mode="0755")
    file_system.place(path, content, mode=0o644, uid=0, gid=0)
    return True


def trusted_path(folder: str, key: bytes, name: str) -> str:
    """Give the file for a key that all repositories trust, named for where it came from."""
    base = re.sub(r"\.(gpg|asc|pub|key|pgp)\Z", "", os.path.basename(name.rstrip("/")))
    safe = re.sub(r"[^A-Za-z0-9_-]", "_", base) or hashlib.sha256(key).hexdigest()[:16]
    return f"{folder}/{safe}.{'asc' if openpgp.is_armoured(key) else 'gpg'}"
