"""The `ssh_auth` states: which keys may log in as a user."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.functions.ssh.authorized import DEFAULT
from limpet.states.functions.ssh.keys import Key, given
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed

_NO_PLACE = (
    "Failed to add the ssh key. Is the home directory available, and/or does the key file exist?"
)


@dataclass(frozen=True, slots=True)
class KeyOptions:
    """Arguments of `ssh_auth.present` and `ssh_auth.absent`."""

    name: str
    """The key, or a whole line of `authorized_keys`."""
    user: str = "root"
    enc: str = "ssh-rsa"
    comment: Loose = ""
    source: str = ""
    """A file of the tree with keys, one a line."""
    options: list[str] | None = None
    config: str = DEFAULT
    fingerprint_hash_type: str | None = None


def present(context: StateContext, options: KeyOptions) -> Outcome:
    """See to it that a key may log in."""
    if options.source:
        return _all_present(context, options)
    try:
        wanted = _key(options)
    except HostError as error:
        return failed(str(error))
    told, comment = _set(context, options, wanted)
    if told in ("add", "update"):
        return Outcome(None, comment)
    if told == "fail":
        return failed(comment)
    changes = {"new": "New", "replace": "Updated"}
    return Outcome(True, comment, {wanted.key: changes[told]} if told in changes else {})


def absent(context: StateContext, options: KeyOptions) -> Outcome:
    """See to it that a key may not log in."""
    try:
        unwanted = _of_source(context, options) if options.source else [_key(options)]
        present_ = _present(context, options)
        found = [each.key for each in unwanted if each.key in present_]
        if not found:
            return Outcome(True, "Key not present")
        if context.is_test:
            lines = [f"Key {each} for user {options.user} is set for removal" for each in found]
            return Outcome(None, "\n".join(lines))
        for each in found:
            context.call("ssh.rm_auth_key", options.user, each, options.config)
    except HostError as error:
        return failed(str(error))
    return Outcome(True, "Key removed", dict.fromkeys(found, "Removed"))


def manage(
    context: StateContext,
    name: str,
    ssh_keys: list[str],
    user: str,
    enc: str = "ssh-rsa",
    comment: Loose = "",
    source: str = "",
    options: list[str] | None = None,
    config: str = DEFAULT,
    **_odd: Loose,
) -> Outcome:
    """See to it that exactly these keys may log in as a user."""
    every = KeyOptions(name, user, enc, comment, source, options, config)
    try:
        wanted = [_key(replace(every, name=each)) for each in ssh_keys]
        unwanted = [
            each for each in _present(context, every) if each not in {k.key for k in wanted}
        ]
    except HostError as error:
        return failed(str(error))
    changes: dict[str, Any] = {}
    lines: list[str] = []
    is_announced = False
    for each in unwanted:
        if context.is_test:
            is_announced = True
            lines.append(f"{each} Key set for removal")
            continue
        try:
            changes[each] = context.call("ssh.rm_auth_key", user, each, config)
        except HostError as error:
            return Outcome(False, str(error), changes)
    for key in wanted:
        told, comment_ = _set(context, every, key)
        if told == "fail":
            return Outcome(False, comment_, changes)
        if told in ("new", "replace"):
            changes[key.key] = "New" if told == "new" else "Updated"
        else:
            is_announced = is_announced or told in ("add", "update")
            lines.append(comment_)
    return Outcome(None if is_announced else True, "\n".join(lines), changes, name="")


def _set(context: StateContext, options: KeyOptions, key: Key) -> tuple[str, str]:
    """Set a key, or in test mode only look; give what came of it and a comment."""
    user = options.user
    arguments = (user, key.line(), key.kind, key.comment, list(key.options), options.config)
    there = f"The authorized host key {key.key} is already present for user {user}"
    if context.is_test:
        try:
            told = context.call("ssh.check_key", *arguments)
        except HostError:
            told = "add"  # the user may come with this run
        if told == "exists":
            return "no change", there
        done = "added" if told == "add" else "updated"
        return told, f"Key {key.key} for user {user} is set to be {done}"
    try:
        told = context.call("ssh.set_auth_key", *arguments)
    except HostError as error:
        return "fail", f"{_NO_PLACE} ({error})"
    if told == "no change":
        return told, there
    done = "added" if told == "new" else "updated"
    return told, f"The authorized host key {key.key} for user {user} was {done}"


def _all_present(context: StateContext, options: KeyOptions) -> Outcome:
    try:
        keys = _of_source(context, options)
    except HostError as error:
        return failed(str(error))
    told = [_set(context, options, key) for key in keys]
    if any(each == "fail" for each, _ in told):
        return failed(next(comment for each, comment in told if each == "fail"))
    announced = [comment for each, comment in told if each in ("add", "update")]
    if announced:
        return Outcome(None, "\n".join(announced))
    words = {each for each, _ in told}
    if "replace" in words:
        return Outcome(True, f"Key {options.name} was updated", {options.name: "Updated"})
    if "new" in words:
        comment = f"The authorized host key {options.name} for user {options.user} was added"
        return Outcome(True, comment, {options.name: "New"})
    comment = f"The authorized host key {options.name} is already present for user {options.user}"
    return Outcome(True, comment)


def _key(options: KeyOptions) -> Key:
    more = tuple(options.options or ())
    return given(options.name, options.enc, str(options.comment or ""), more)


def _of_source(context: StateContext, options: KeyOptions) -> list[Key]:
    content = context.tree.read(options.source, context.saltenv)
    if content is None:
        raise HostError(f"Failed to add ssh key, source file {options.source} is missing")
    lines = content.decode("utf-8", "replace").splitlines()
    return [key for line in lines if (key := Key.of(line)) is not None]


def _present(context: StateContext, options: KeyOptions) -> Mapping[str, Any]:
    if context.host.accounts.user(options.user) is None:
        return {}
    found: Mapping[str, Any] = context.call("ssh.auth_keys", options.user, options.config)
    return found
