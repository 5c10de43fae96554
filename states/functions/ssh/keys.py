"""Lines of `authorized_keys` and `known_hosts`: read, compared, written; pure."""

import base64
import binascii
import hashlib
import hmac
import os
import re
from dataclasses import dataclass, replace
from typing import Any, Final

from limpet.common.errors import HostError

_KIND: Final = r"(?:ssh-[a-z0-9-]+|ecdsa-sha2-[a-z0-9-]+|sk-(?:ssh|ecdsa)-[a-z0-9@.-]+)"
_LINE: Final = re.compile(
    rf'(?:(?P<options>(?:[^\s"]|"(?:\\.|[^"\\])*")+)\s+)?(?P<kind>{_KIND}(?:@openssh\.com)?)'
    r"\s+(?P<key>[A-Za-z0-9+/]+={0,3})(?:\s+(?P<comment>.*))?"
)
_BARE: Final = re.compile(r"[A-Za-z0-9+/]{4,}={0,3}")
_OPTION: Final = re.compile(r'(?:[^,"]|"(?:\\.|[^"\\])*")+')
_SHORT: Final = {
    "r": "ssh-rsa", "rsa": "ssh-rsa", "d": "ssh-dss", "dsa": "ssh-dss", "dss": "ssh-dss",
    "e": "ecdsa-sha2-nistp256", "ecdsa": "ecdsa-sha2-nistp256", "ed25519": "ssh-ed25519",
}  # fmt: skip


def kind_of(enc: str) -> str:
    """Give the whole name of a kind of key: `ed25519` is `ssh-ed25519`. Raises `HostError`."""
    found = _SHORT.get(enc, enc)
    if not re.fullmatch(rf"{_KIND}(?:@openssh\.com)?", found):
        raise HostError(f"Incorrect encryption key type '{enc}'")
    return found


@dataclass(frozen=True, slots=True)
class Key:
    """One public key that may log in."""

    kind: str
    key: str
    comment: str = ""
    options: tuple[str, ...] = ()

    @classmethod
    def of(cls, line: str) -> "Key | None":
        """Read a line; None: it is no key."""
        found = _LINE.fullmatch(line.strip())
        if found is None or line.lstrip().startswith("#"):
            return None
        options = tuple(each.strip() for each in _OPTION.findall(found["options"] or ""))
        return cls(found["kind"], found["key"], (found["comment"] or "").strip(), options)

    def line(self) -> str:
        """Give its line."""
        words = [",".join(self.options), self.kind, self.key, self.comment]
        return " ".join(each for each in words if each)

    def data(self) -> dict[str, Any]:
        """Give Salt's mapping."""
        return {
            "enc": self.kind,
            "comment": self.comment,
            "options": list(self.options),
            "fingerprint": fingerprint(self.key),
        }


def given(name: str, enc: str, comment: str, options: tuple[str, ...]) -> Key:
    """Give the key that is meant by a whole line, or by the key alone and the rest beside it.

    Raises `HostError` for what is no key.
    """
    for text in (name, comment, *options):
        if any(character in text for character in "\n\r\0"):
            raise HostError(f"a key, its comment and options have no line breaks: {text!r:.60}")
    whole = Key.of(name)
    if whole is not None:
        more = {"options": options} if options and not whole.options else {}
        return replace(whole, comment=whole.comment or comment, **more)  # type: ignore[arg-type]
    bare = name.strip()
    if not _BARE.fullmatch(bare):
        words = bare.split(None, 1)  # a key and its comment, without the kind
        if len(words) != 2 or not _BARE.fullmatch(words[0]):
            raise HostError("Invalid public ssh key, most likely has spaces or invalid syntax")
        bare, comment = words[0], comment or words[1]
    if fingerprint(bare) is None:
        raise HostError("Invalid public ssh key, most likely has spaces or invalid syntax")
    return Key(kind_of(enc), bare, comment, options)


def fingerprint(key: str, hash_type: str = "sha256") -> str | None:
    """Give the fingerprint as pairs of hex digits; None: it is no base64."""
    try:
        raw = base64.b64decode(key, validate=True)
    except (binascii.Error, ValueError):
        return None
    digest = hashlib.new(hash_type, raw, usedforsecurity=False).hexdigest()
    return ":".join(digest[at : at + 2] for at in range(0, len(digest), 2))


@dataclass(frozen=True, slots=True)
class KnownHost:
    """One line of `known_hosts`; names may be hashed."""

    names: str
    kind: str
    key: str

    @classmethod
    def of(cls, line: str) -> "KnownHost | None":
        """Read a line; None: it is none, or has a mark (`@revoked`)."""
        words = line.split()
        if len(words) < 3 or words[0][0] in "#@":
            return None
        return cls(words[0], words[1], words[2])

    def is_of(self, name: str) -> bool:
        """Say whether this is a key of that host."""
        for each in self.names.split(","):
            parts = each.split("|")
            if len(parts) == 4 and parts[1] == "1":
                try:
                    salt = base64.b64decode(parts[2])
                except (binascii.Error, ValueError):
                    continue
                if hmac.compare_digest(_hash(salt, name), parts[3]):
                    return True
            elif each == name:
                return True
        return False

    def hashed(self) -> "KnownHost":
        """Give the same line with a name that only those can read who know it."""
        if self.names.startswith("|") or any(each in self.names for each in "*?!,"):
            return self
        salt = os.urandom(20)
        shown = base64.b64encode(salt).decode()
        return replace(self, names=f"|1|{shown}|{_hash(salt, self.names)}")

    def line(self) -> str:
        """Give its line."""
        return f"{self.names} {self.kind} {self.key}"


def _hash(salt: bytes, name: str) -> str:
    digest = hmac.new(salt, name.encode(), hashlib.sha1).digest()
    return base64.b64encode(digest).decode()
