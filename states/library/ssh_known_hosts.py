"""The `ssh_known_hosts` states: which keys of hosts are known."""

from dataclasses import dataclass
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.functions.ssh.known import OF_ALL, OF_USER
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


@dataclass(frozen=True, slots=True)
class PresentOptions:
    """Arguments of `ssh_known_hosts.present`."""

    name: str
    user: str | None = None
    """None: for all users of the machine."""
    fingerprint: str | None = None
    key: str | None = None
    port: int | None = None
    enc: str | None = None
    config: str | None = None
    hash_known_hosts: bool = True
    timeout: int = 5
    """Seconds that the host has to give its key, where none is given here."""
    fingerprint_hash_type: str | None = None


def present(context: StateContext, options: PresentOptions) -> Outcome:
    """See to it that a host is known by this key, or by the one it gives now."""
    name = options.name
    config = _config(options.user, options.config)
    if not options.user and not config.startswith("/"):
        return failed(
            'If no user is specified, the config file should be an absolute path: "config"'
        )
    shared = {
        "fingerprint": options.fingerprint,
        "key": options.key,
        "config": config,
        "port": options.port,
        "fingerprint_hash_type": options.fingerprint_hash_type,
    }
    try:
        if context.is_test:
            return _announced(context, options, config, shared)
        found: dict[str, Any] = context.call(
            "ssh.set_known_host", options.user, name, enc=options.enc, timeout=options.timeout,
            hash_known_hosts=options.hash_known_hosts, **shared,
        )  # fmt: skip
    except HostError as error:
        return failed(str(error))
    if found["status"] == "exists":
        return Outcome(True, f"{name} already exists in {config}")
    if found["status"] == "error":
        return failed(str(found["error"]))
    changes = {"old": found["old"], "new": found["new"]}
    by = f"fingerprint: {options.fingerprint}" if options.fingerprint else (
        f"key: {options.key or found['new'][0]['key']}"
    )  # fmt: skip
    return Outcome(True, f"{name}'s key saved to {config} ({by})", changes)


def absent(
    context: StateContext,
    name: str,
    user: str | None = None,
    config: str | None = None,
    port: int | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that a host is not known."""
    where = _config(user, config)
    try:
        known = context.call("ssh.get_known_host_entries", user, name, where, port)
        if not known:
            return Outcome(True, "Host is already absent")
        if context.is_test:
            return Outcome(None, f"Key for {name} is set to be removed from {where}")
        found = context.call("ssh.rm_known_host", user, name, where, port)
    except HostError as error:
        return failed(str(error))
    return Outcome(True, str(found["comment"]), {"old": known, "new": None})


def _announced(
    context: StateContext, options: PresentOptions, config: str, shared: dict[str, Any]
) -> Outcome:
    try:
        told = context.call("ssh.check_known_host", options.user, options.name, **shared)
    except HostError:
        told = "add"  # the user may come with this run
    if told == "exists":
        return Outcome(True, f"Host {options.name} is already in {config}")
    done = "added to" if told == "add" else "updated in"
    return Outcome(None, f"Key for {options.name} is set to be {done} {config}")


def _config(user: str | None, config: str | None) -> str:
    return config or (OF_USER if user else OF_ALL)
