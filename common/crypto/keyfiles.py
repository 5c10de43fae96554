"""Key files: made once, never overwritten, private, and in two copies each.

    DIR/master.secret  DIR/master.secret.copy     this side's own secret (0600)
    DIR/master.public                             its public key, for people and `keys show`
    DIR/site.secret    DIR/master.next            (a master's) see its `master_keys/io/key_files.py`
    DIR/trusted.public DIR/trusted.public.copy    the other side's public key (a minion's)

A file that a crash left empty or torn is put right from its copy. Base 32 has no check characters,
so a flipped bit may leave a key that looks whole: of secret, copy and public key the two that
belong together count, and a public key that differs in a character or two is mended. Line ends,
blanks and byte order marks around a key mean nothing. libzmq is not loaded here: making a pair and
computing a public key are handed in (`common/transport/raw`).
"""

import os
import stat
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final

from limpet.common.crypto.keys import (
    decode_key,
    decode_public_key,
    encode_base32,
)
from limpet.common.errors import HostError, SourceError, UsageError
from limpet.common.storage.files import create_whole, read_whole, write_whole

FILE_BYTES_MAX: Final = 4096
DAMAGED_CHARACTERS_MAX: Final = 2
"""A public key that differs in more from that of its secret was put there by somebody."""
COPY_SUFFIX: Final = ".copy"

Reader = Callable[[bytes], bytes]
"""Turns the text of a file into a value. Raises `UsageError` where it is damaged."""


@dataclass(frozen=True, slots=True)
class KeyPair:
    """A CURVE key pair, 32 bytes each."""

    public: bytes
    secret: bytes = field(repr=False)
    notices: tuple[str, ...] = ()
    """What had to be put right on the disk, for the log."""


class BothDamaged(SourceError):
    """A file and its copy are there, and neither can be read."""


def load_or_make_pair(
    directory: Path,
    name: str,
    *,
    make: Callable[[], tuple[bytes, bytes]],
    public_of: Callable[[bytes], bytes],
    compute: Callable[[bytes], bytes] | None = None,
) -> KeyPair:
    """Read the pair `name` of a directory that exists, or make it at the first start.

    `make` gives (public, secret), `public_of` computes a public key, or looks it up; then `compute`
    is what computes it where copies differ. Raises `SourceError` naming
    the file and the command that helps: wrong owner or mode, both copies of the secret damaged, a
    public key that does not belong to the secret. `HostError` where the disk refuses.
    """
    path = directory / f"{name}.secret"
    settled = _settle_secret(directory, name, compute or public_of)
    secret, notices = read_twice(path, decode_key, is_private=True)
    notices = (*settled, *notices)
    if secret is None:
        public, secret = make()
        line = f"{encode_base32(secret)}\n".encode()
        # The copy first: a crash between the two leaves one that the next start completes.
        create_whole(path.with_name(path.name + COPY_SUFFIX), line, mode=0o600)
        create_whole(path, line, mode=0o600)
        assert public == public_of(secret)
    else:
        public = public_of(secret)
    return KeyPair(public, secret, (*notices, *_keep_public(directory / f"{name}.public", public)))


def _settle_secret(
    directory: Path, name: str, compute: Callable[[bytes], bytes]
) -> tuple[str, ...]:
    """Where the two copies of a secret differ, and the second has the public key, use the second.

    Gives what was put right; `read_twice` does the rest. Raises as it does.
    """
    path = directory / f"{name}.secret"
    copy = path.with_name(path.name + COPY_SUFFIX)
    first, second = (decoded(place, is_private=True) for place in (path, copy))
    public = decoded(directory / f"{name}.public")
    if first is None or second is None or public is None or first == second:
        return ()
    if compute(first) == public or compute(second) != public:
        return ()
    write_whole(path, f"{encode_base32(second)}\n".encode(), mode=0o600)
    return (f"{path} was damaged: its copy has the public key, and is used",)


def decoded(place: Path, *, is_private: bool = False) -> bytes | None:
    """Give the key of one file; None where there is none, or a damaged one."""
    text = _read_one(place, is_private)
    if text is None:
        return None
    try:
        return decode_key(text)
    except UsageError:
        return None


def is_damaged(kept: bytes, public: bytes) -> bool:
    """Say whether a public key is another one by so little that no person chose it."""
    pairs = zip(encode_base32(kept), encode_base32(public), strict=True)
    return 0 < sum(one != other for one, other in pairs) <= DAMAGED_CHARACTERS_MAX


def _keep_public(path: Path, public: bytes) -> tuple[str, ...]:
    """See to it that the file of the public key says what the secret says."""
    try:
        text = read_whole(path, bytes_max=FILE_BYTES_MAX)
    except FileNotFoundError:
        write_whole(path, f"{encode_base32(public)}\n".encode(), mode=0o644)
        return ()
    try:
        kept = decode_key(text)
    except UsageError as error:
        write_whole(path, f"{encode_base32(public)}\n".encode(), mode=0o644)
        return (f"{path} was damaged ({error}); written anew from the secret",)
    if is_damaged(kept, public):
        write_whole(path, f"{encode_base32(public)}\n".encode(), mode=0o644)
        return (f"{path} was damaged (a character or two); written anew from the secret",)
    if kept != public:
        raise SourceError(
            "the public key does not belong to the secret beside it: put the right pair there, "
            f"or `rm {path}` if the secret is the right one",
            str(path),
        )
    return ()


def read_trusted(path: Path) -> tuple[bytes | None, tuple[str, ...]]:
    """Read the public key of the other side; None if none is kept, or both copies are damaged.

    Without it the join string or the configuration has to say it again, so damage is a notice.
    """
    try:
        return read_twice(path, decode_public_key)
    except SourceError as error:
        return None, (f"{error}; it is learned anew",)


def write_trusted(path: Path, public: bytes) -> None:
    """Keep the public key of the other side, both copies. Raises `HostError`."""
    write_twice(path, f"{encode_base32(public)}\n".encode())


def read_twice(
    path: Path, read: Reader, *, is_private: bool = False
) -> tuple[bytes | None, tuple[str, ...]]:
    """Read a file that has a copy; one that is missing or damaged is written anew from the other.

    Gives None if neither is there, and what was put right. Raises `SourceError` if what is there is
    damaged in both, or (`is_private`) others could read it.
    """
    copy = path.with_name(path.name + COPY_SUFFIX)
    values: list[bytes | None] = []
    texts: list[bytes | None] = []
    problems: list[str] = []
    for place in (path, copy):
        text = _read_one(place, is_private)
        value = None
        if text is not None:
            try:
                value = read(text)
            except UsageError as error:
                problems.append(f"{place}: damaged ({error})")
        texts.append(text)
        values.append(value)
    if values == [None, None]:
        if problems:
            raise BothDamaged(
                f"damaged, and so is its copy: restore one of them from a backup, or "
                f"`rm {path} {copy}` to begin anew ({problems[0]})",
                str(path),
            )
        return None, ()
    # The first one decides where the two differ: the copy is older (or was put there by hand).
    good = 0 if values[0] is not None else 1
    notices: tuple[str, ...] = ()
    if values[1 - good] != values[good]:
        source, target = (path, copy) if good == 0 else (copy, path)
        text = texts[good]
        assert text is not None
        notices = (f"{target} was missing or damaged; written anew from {source}",)
        try:
            write_whole(target, text, mode=0o600)
        except HostError as error:  # a full disk must not keep a good key from being used
            notices = (f"{target} is missing or damaged, and stays so: {error}",)
    return values[good], notices


def write_twice(path: Path, data: bytes) -> None:
    """Write a file and its copy, each whole and durable (0600). Raises `HostError`."""
    write_whole(path, data, mode=0o600)
    write_whole(path.with_name(path.name + COPY_SUFFIX), data, mode=0o600)


def _read_one(place: Path, is_private: bool) -> bytes | None:
    try:
        found = place.lstat()
        if is_private and stat.S_ISREG(found.st_mode):
            check_private(place, found)
        return read_whole(place, bytes_max=FILE_BYTES_MAX)
    except FileNotFoundError:
        return None
    except HostError as error:
        raise SourceError(str(error), str(place)) from error


def check_private(place: Path, found: os.stat_result) -> None:
    """See to it that nobody else owns or reads a secret. Raises `SourceError` with the fix."""
    if found.st_uid not in (0, os.geteuid()):
        from limpet.common.service.paths import user_name

        raise SourceError(
            f"a secret must not belong to {user_name(found.st_uid)}: "
            f"chown {user_name(os.geteuid())} {place}",
            str(place),
        )
    if found.st_mode & 0o077:
        raise SourceError(
            f"a secret must not be open to others (mode {stat.S_IMODE(found.st_mode):04o}): "
            f"chmod 600 {place}",
            str(place),
        )
