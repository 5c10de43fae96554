"""The files of a minion that say who its master is.

    keys/trusted.public  the master's CURVE key that let this minion in last
    keys/master.trust    JSON: what the master has announced of its keys, and who signed it
    keys/trusted.told    what join string or configuration told; where that changes, a person wants
                         another master, and what the old one announced is forgotten

The first two have a copy beside them. `limpet minion` reads the configuration once and the running
minion these files at each start, as they have changed since if the master has.
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from limpet.common.crypto.keyfiles import COPY_SUFFIX, read_trusted, read_twice, write_twice
from limpet.common.crypto.keys import decode_public_key, encode_base32
from limpet.common.errors import HostError, SourceError, UsageError
from limpet.common.messages.trust import Trust
from limpet.common.storage.files import read_whole, remove, write_whole
from limpet.minion.core.settings import HeldTrust

TRUSTED_NAME: Final = "trusted.public"
TRUST_NAME: Final = "master.trust"
TOLD_NAME: Final = "trusted.told"
_BYTES_MAX: Final = 4096


class KeptTrust(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The content of `master.trust`. Keys are hex."""

    serial: int
    site: str
    current: str
    following: tuple[str, ...]

    @classmethod
    def of(cls, trust: Trust) -> "KeptTrust":
        """Take what is to be kept of a message."""
        following = tuple(key.hex() for key in trust.following)
        return cls(trust.serial, trust.site.hex(), trust.current.hex(), following)


@dataclass(frozen=True, slots=True)
class MasterKeys:
    """What a starting minion knows of its master's keys."""

    current: bytes | None
    """None: the file is damaged; what configuration or join string told has to do."""
    trust: HeldTrust | None
    notices: tuple[str, ...]


def read_keys(directory: Path) -> MasterKeys:
    """Read what is kept. Damage is a notice: the master tells it all anew in the next session."""
    current, notices = read_trusted(directory / TRUSTED_NAME)
    trust = None
    try:
        text, more = read_twice(directory / TRUST_NAME, _checked)
    except SourceError as error:
        text, more = None, (f"{error}; the master tells it anew",)
    if text is not None:
        kept = msgspec.json.decode(text, type=KeptTrust)
        trust = HeldTrust(kept.serial, kept.site, kept.current, kept.following)
    return MasterKeys(current, trust, (*notices, *more))


def write_trust(directory: Path, trust: Trust) -> None:
    """Keep an announcement that was verified, both copies. Raises `HostError`."""
    write_twice(directory / TRUST_NAME, msgspec.json.encode(KeptTrust.of(trust)))


def write_current(directory: Path, public: bytes, told: str) -> None:
    """Keep the key that let this minion in. Raises `HostError`.

    What was told comes first: without it the next start would take the configuration's key, which
    the master has no longer, for a new wish.
    """
    if told and not (directory / TOLD_NAME).exists():
        write_told(directory, told)
    write_twice(directory / TRUSTED_NAME, f"{encode_base32(public)}\n".encode())


def read_told(directory: Path) -> str:
    """Give what was told last; empty if that is not known."""
    try:
        text = read_whole(directory / TOLD_NAME, bytes_max=_BYTES_MAX)
        return text.decode("ascii").strip()
    except (FileNotFoundError, HostError, UnicodeDecodeError):
        return ""


def write_told(directory: Path, told: str) -> None:
    """Keep what was told. Raises `HostError`."""
    write_whole(directory / TOLD_NAME, f"{told}\n".encode(), mode=0o600)


def forget_trust(directory: Path) -> None:
    """Forget what a master announced: this minion is to have another. Raises `HostError`.

    The join string or the configuration then decides anew at the next start.
    """
    for name in (TRUST_NAME, f"{TRUST_NAME}{COPY_SUFFIX}", TOLD_NAME):
        remove(directory / name)


def _checked(text: bytes) -> bytes:
    """Read a `master.trust`. Raises `UsageError` where it is damaged."""
    try:
        kept = msgspec.json.decode(text, type=KeptTrust)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise UsageError(f"not what a master announces: {error}") from error
    for key in (kept.current, *kept.following):
        decode_public_key(key)
    return text
