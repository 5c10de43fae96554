"""The keys that may log in as a user."""

from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.data.lines import lines_of
from limpet.states.functions.cmd import sources
from limpet.states.functions.ssh import files
from limpet.states.functions.ssh.keys import Key, given

DEFAULT: Final = ".ssh/authorized_keys"


def auth_keys(
    context: FunctionContext,
    user: Loose = None,
    config: str = DEFAULT,
    fingerprint_hash_type: str = "sha256",
) -> dict[str, Any]:
    """Give the keys that may log in as a user, or as each of several users.

    CLI Example: limpet run '*' ssh.auth_keys root
    """
    users = user if isinstance(user, list) else [user or "root"]
    found: dict[str, Any] = {}
    for each in users:
        place = files.place_of(context.host, each, config)
        keys = {key.key: key.data() for key in _keys(files.read(context.host, place))}
        if keys or not isinstance(user, list):
            found[each] = keys
    return found if isinstance(user, list) else found.get(users[0], {})


def check_key(
    context: FunctionContext,
    user: str,
    key: str,
    enc: str,
    comment: str,
    options: list[str] | None,
    config: str = DEFAULT,
    cache_keys: Loose = None,
    fingerprint_hash_type: str | None = None,
) -> str:
    """Say what setting a key would do: `add`, `update` or `exists`.

    CLI Example: limpet run '*' ssh.check_key root AAAAB3Nz ssh-rsa me@host '[]'
    """
    wanted = given(key, enc, comment or "", tuple(options or ()))
    place = files.place_of(context.host, user, config)
    for present in _keys(files.read(context.host, place)):
        if present.key == wanted.key:
            return "exists" if present == wanted else "update"
    return "add"


def check_key_file(
    context: FunctionContext,
    user: str,
    source: str,
    config: str = DEFAULT,
    saltenv: str = "base",
    fingerprint_hash_type: str | None = None,
) -> dict[str, str]:
    """Say for each key of a file what setting it would do.

    CLI Example: limpet run '*' ssh.check_key_file root salt://ssh/keyfile
    """
    return {
        key.key: check_key(context, user, key.line(), key.kind, "", None, config)
        for key in _of_source(context, source, saltenv)
    }


def set_auth_key(
    context: FunctionContext,
    user: str,
    key: str,
    enc: str = "ssh-rsa",
    comment: str = "",
    options: list[str] | None = None,
    config: str = DEFAULT,
    cache_keys: Loose = None,
    fingerprint_hash_type: str | None = None,
) -> str:
    """Let a key log in as a user; gives `new`, `replace` or `no change`.

    CLI Example: limpet run '*' ssh.set_auth_key root AAAAB3Nz enc=rsa comment=me@host
    """
    wanted = given(key, enc, comment or "", tuple(options or ()))
    place = files.place_of(context.host, user, config)
    text = files.read(context.host, place)
    lines, told = [], "new"
    for line in lines_of(text):
        present = Key.of(line)
        if present is None or present.key != wanted.key:
            lines.append(line)
        elif present == wanted:
            return "no change"
        elif told == "new":
            told = "replace"
            lines.append(wanted.line())
    if told == "new":
        lines.append(wanted.line())
    files.write(context.host, place, "".join(f"{line}\n" for line in lines))
    return told


def set_auth_key_from_file(
    context: FunctionContext,
    user: str,
    source: str,
    config: str = DEFAULT,
    saltenv: str = "base",
    fingerprint_hash_type: str | None = None,
) -> str:
    """Let all keys of a file log in as a user; gives the most that any of them changed.

    CLI Example: limpet run '*' ssh.set_auth_key_from_file root salt://ssh/keyfile
    """
    told = {
        set_auth_key(context, user, key.line(), key.kind, config=config)
        for key in _of_source(context, source, saltenv)
    }
    return next((each for each in ("replace", "new", "no change") if each in told), "fail")


def rm_auth_key(
    context: FunctionContext,
    user: str,
    key: str,
    config: str = DEFAULT,
    fingerprint_hash_type: str | None = None,
) -> str:
    """Keep a key from logging in as a user.

    CLI Example: limpet run '*' ssh.rm_auth_key root AAAAB3Nz
    """
    whole = Key.of(key)
    unwanted = key.strip() if whole is None else whole.key
    place = files.place_of(context.host, user, config)
    lines = lines_of(files.read(context.host, place))
    kept = [line for line in lines if (found := Key.of(line)) is None or found.key != unwanted]
    if len(kept) == len(lines):
        return "Key not present"
    files.write(context.host, place, "".join(f"{line}\n" for line in kept))
    return "Key removed"


def rm_auth_key_from_file(
    context: FunctionContext,
    user: str,
    source: str,
    config: str = DEFAULT,
    saltenv: str = "base",
    fingerprint_hash_type: str | None = None,
) -> str:
    """Keep all keys of a file from logging in as a user.

    CLI Example: limpet run '*' ssh.rm_auth_key_from_file root salt://ssh/keyfile
    """
    told = {
        rm_auth_key(context, user, key.key, config) for key in _of_source(context, source, saltenv)
    }
    return "Key removed" if "Key removed" in told else "Key not present"


def user_keys(
    context: FunctionContext, user: Loose = None, pubfile: str | None = None,
    prvfile: str | None = None,
) -> dict[str, Any]:  # fmt: skip
    """Give the public keys of a user's own, by file. Private ones are never told.

    CLI Example: limpet run '*' ssh.user_keys root
    """
    users = user if isinstance(user, list) else [user or "root"]
    found: dict[str, Any] = {}
    for each in users:
        folder = files.place_of(context.host, each, ".ssh").path
        names = [pubfile] if pubfile else [
            f"{folder}/{name}" for name in context.host.files.names(folder)
            if name.startswith("id_") and name.endswith(".pub")
        ]  # fmt: skip
        for path in names:
            text = context.host.files.read_text(path)
            if text is not None:
                found.setdefault(each, {})[path.rpartition("/")[2]] = text.strip()
    return found


def _keys(text: str) -> list[Key]:
    return [key for line in lines_of(text) if (key := Key.of(line)) is not None]


def _of_source(context: FunctionContext, source: str, saltenv: str) -> list[Key]:
    content = sources.read(context, source, saltenv, None)
    if content is None:
        raise HostError(f"Failed to add ssh key, source file {source} is missing")
    return _keys(content.decode("utf-8", "replace"))
