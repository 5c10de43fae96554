"""The hosts whose keys are known."""

from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext
from limpet.states.data.lines import lines_of
from limpet.states.functions.ssh import files
from limpet.states.functions.ssh.keys import KnownHost, fingerprint, kind_of
from limpet.states.ports import programs

OF_USER: Final = ".ssh/known_hosts"
OF_ALL: Final = "/etc/ssh/ssh_known_hosts"
_HOST: Final = r"[A-Za-z0-9_.:%\[\]-]{1,255}"
_SCAN_S_MAX: Final = 60
_NOT_THE_PRINT: Final = (
    "Remote host public keys found but none of their fingerprints match the one you have provided"
)


def get_known_host_entries(
    context: FunctionContext,
    user: str | None,
    hostname: str,
    config: str | None = None,
    port: int | None = None,
    fingerprint_hash_type: str | None = None,
) -> list[dict[str, Any]] | None:
    """Give the known keys of a host; nothing if there are none.

    CLI Example: limpet run '*' ssh.get_known_host_entries root github.com
    """
    place = _place(context, user, config)
    name = _name(hostname, port)
    found = [
        {
            "hostname": each.names,
            "key": each.key,
            "enc": each.kind,
            "fingerprint": fingerprint(each.key, fingerprint_hash_type or "sha256"),
        }
        for each in _entries(context, place)
        if each.is_of(name)
    ]
    return found or None


def check_known_host(
    context: FunctionContext,
    user: str | None = None,
    hostname: str | None = None,
    key: str | None = None,
    fingerprint: str | None = None,
    config: str | None = None,
    port: int | None = None,
    fingerprint_hash_type: str | None = None,
) -> str:
    """Say what setting a host's key would do: `add`, `update` or `exists`.

    CLI Example: limpet run '*' ssh.check_known_host root github.com key=AAAAB3Nz
    """
    if not hostname:
        raise HostError("hostname argument required")
    known = get_known_host_entries(context, user, hostname, config, port, fingerprint_hash_type)
    if not known:
        return "add"
    if key:
        return "exists" if any(each["key"] == key for each in known) else "update"
    if fingerprint:
        is_known = any(_is_same_print(each["fingerprint"], fingerprint) for each in known)
        return "exists" if is_known else "update"
    return "exists"


def recv_known_host_entries(
    context: FunctionContext,
    hostname: str,
    enc: str | None = None,
    port: int | None = None,
    hash_known_hosts: bool = True,
    timeout: int = 5,
    fingerprint_hash_type: str | None = None,
) -> list[dict[str, Any]] | None:
    """Ask a host for its keys; nothing if none came in `timeout` seconds.

    CLI Example: limpet run '*' ssh.recv_known_host_entries github.com enc=ed25519
    """
    name = programs.plain_word(hostname, "the name of a host", _HOST)
    limit_s = min(max(int(timeout), 1), _SCAN_S_MAX)
    kind = ["-t", kind_of(enc).removeprefix("ssh-").partition("-sha2")[0]] if enc else []
    words = ["ssh-keyscan", "-T", str(limit_s), "-p", str(port or 22), *kind, "--", name]
    answer = programs.run(context.host.commands, words, limit_s=limit_s * 4 + 10)
    found = []
    for line in answer.stdout.splitlines():
        entry = KnownHost.of(line)
        if entry is None or (enc and entry.kind != kind_of(enc)):
            continue
        found.append(
            {
                "hostname": entry.names,
                "key": entry.key,
                "enc": entry.kind,
                "fingerprint": fingerprint(entry.key, fingerprint_hash_type or "sha256"),
            }
        )
    return found or None


def set_known_host(
    context: FunctionContext,
    user: str | None = None,
    hostname: str | None = None,
    fingerprint: str | None = None,
    key: str | None = None,
    port: int | None = None,
    enc: str | None = None,
    config: str | None = None,
    hash_known_hosts: bool = True,
    timeout: int = 5,
    fingerprint_hash_type: str | None = None,
) -> dict[str, Any]:
    """Have a host known by a key, or by the one it gives now if that has the fingerprint.

    CLI Example: limpet run '*' ssh.set_known_host root github.com fingerprint=9d:38:5b
    """
    if not hostname:
        return {"status": "error", "error": "hostname argument required"}
    name = _name(hostname, port)
    place = _place(context, user, config)
    known = get_known_host_entries(context, user, hostname, config, port, fingerprint_hash_type)
    if known and _is_known(known, key, fingerprint):
        return {"status": "exists", "key": known[0]["key"]}
    if key:
        programs.plain_word(key, "a key", r"[A-Za-z0-9+/]+={0,3}")
        new = [KnownHost(name, kind_of(enc) if enc else _kind_in(key), key)]
    else:
        asked = recv_known_host_entries(
            context, hostname, enc, port, timeout=timeout,
            fingerprint_hash_type=fingerprint_hash_type,
        )  # fmt: skip
        trusted = [each for each in asked or () if _is_trusted(each, fingerprint)]
        if not trusted:
            why = _NOT_THE_PRINT if asked else "Unable to receive remote host keys"
            return {"status": "error", "error": why}
        new = [KnownHost(name, each["enc"], each["key"]) for each in trusted]
    lines = _without(lines_of(files.read(context.host, place)), name)
    lines += [(each.hashed() if hash_known_hosts else each).line() for each in new]
    text = "".join(f"{line}\n" for line in lines)
    files.write(context.host, place, text, mode=0o600 if user else 0o644)
    shown = [{"hostname": name, "enc": each.kind, "key": each.key} for each in new]
    return {"status": "updated", "old": known, "new": shown}


def rm_known_host(
    context: FunctionContext,
    user: str | None = None,
    hostname: str | None = None,
    config: str | None = None,
    port: int | None = None,
) -> dict[str, Any]:
    """Have a host no longer known.

    CLI Example: limpet run '*' ssh.rm_known_host root github.com
    """
    if not hostname:
        return {"status": "error", "error": "hostname argument required"}
    name = _name(hostname, port)
    place = _place(context, user, config)
    lines = lines_of(files.read(context.host, place))
    kept = _without(lines, name)
    if len(kept) == len(lines):
        return {"status": "removed", "comment": f"Host {name} not found in {place.path}"}
    files.write(context.host, place, "".join(f"{line}\n" for line in kept))
    return {
        "status": "removed",
        "comment": f"{len(lines) - len(kept)} keys of {name} removed from {place.path}",
    }


def hash_known_hosts(
    context: FunctionContext, user: str | None = None, config: str | None = None
) -> dict[str, Any]:
    """Hash the names of all known hosts, so that nobody reads from them where one has been.

    CLI Example: limpet run '*' ssh.hash_known_hosts root
    """
    place = _place(context, user, config)
    if not context.host.files.exists(place.path):
        return {"status": "error", "error": f"Known hosts file {place.path} does not exist"}
    lines = [
        line if (each := KnownHost.of(line)) is None else each.hashed().line()
        for line in lines_of(files.read(context.host, place))
    ]
    files.write(context.host, place, "".join(f"{line}\n" for line in lines))
    return {"status": "updated", "comment": f"the names in {place.path} are hashed"}


def host_keys(
    context: FunctionContext, keydir: str | None = None, private: bool = False
) -> dict[str, str]:
    """Give the public keys of this machine's own. Private ones are never told.

    CLI Example: limpet run '*' ssh.host_keys
    """
    folder = keydir or "/etc/ssh"
    found = {}
    for name in context.host.files.names(folder):
        if name.startswith("ssh_host_") and name.endswith("_key.pub"):
            text = context.host.files.read_text(f"{folder}/{name}")
            if text is not None:
                found[name.removeprefix("ssh_host_").removesuffix("_key.pub") + ".pub"] = (
                    text.strip()
                )
    return found


def _is_known(known: list[dict[str, Any]], key: str | None, fingerprint: str | None) -> bool:
    if key:
        return any(each["key"] == key for each in known)
    if fingerprint:
        return any(_is_same_print(each["fingerprint"], fingerprint) for each in known)
    return True


def _is_trusted(entry: dict[str, Any], fingerprint: str | None) -> bool:
    """Say whether a key that a host gives is the one that was meant, if one was."""
    return not fingerprint or _is_same_print(entry["fingerprint"], fingerprint)


def _is_same_print(one: str | None, other: str) -> bool:
    return one is not None and one.replace(":", "").lower() == other.replace(":", "").lower()


def _kind_in(key: str) -> str:
    """Read the kind of a key out of the key itself."""
    import base64
    import binascii

    try:
        raw = base64.b64decode(key, validate=True)
        length = int.from_bytes(raw[:4], "big")
        return kind_of(raw[4 : 4 + min(length, 64)].decode("ascii"))
    except (binascii.Error, ValueError) as error:
        raise HostError(f"{key!r:.40} is no public key") from error


def _place(context: FunctionContext, user: str | None, config: str | None) -> files.Place:
    return files.place_of(context.host, user, config or (OF_USER if user else OF_ALL))


def _name(hostname: str, port: int | None) -> str:
    name = programs.plain_word(hostname, "the name of a host", _HOST)
    return name if port in (None, 22) else f"[{name}]:{port}"


def _without(lines: list[str], name: str) -> list[str]:
    """Give the lines but those that have keys of that host."""
    return [line for line in lines if (each := KnownHost.of(line)) is None or not each.is_of(name)]


def _entries(context: FunctionContext, place: files.Place) -> list[KnownHost]:
    lines = lines_of(files.read(context.host, place))
    return [each for line in lines if (each := KnownHost.of(line)) is not None]
