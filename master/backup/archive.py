"""The file of a backup: a compressed tar with a list of contents in front.

    limpet-backup.json          what it is, and the SHA-256 of each of the others
    configuration/master.yaml, configuration/master.d/NAME.yaml
    keys.sealed                 only where it was asked for
    store/master.db

Whoever reads one trusts nothing in it: names that are not these, links, sizes above the bounds and
contents that are not what the list says are refused.
"""

import hashlib
import io
import os
import re
import tarfile
import zlib
from pathlib import Path
from typing import IO, Final

import msgspec

from limpet.common.errors import UsageError
from limpet.common.storage.files import host_error, write_all

FORMAT: Final = 1
LIST: Final = "limpet-backup.json"
STORE: Final = "store/master.db"
KEYS: Final = "keys.sealed"
CONFIGURATION: Final = "configuration/"
SMALL_BYTES_MAX: Final = 1024 * 1024
"""Of everything but the store."""
MEMBERS_MAX: Final = 1000
COMPRESSION: Final = 1
"""The store shrinks to a third or so; more effort takes four times as long for a tenth."""
PIECE_BYTES: Final = 1024 * 1024

_NAME: Final = re.compile(r"configuration/(?:master\.d/)?[A-Za-z0-9_][A-Za-z0-9_.@+-]{0,200}\.yaml")


class Contents(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The list in front."""

    format: int
    version: str
    """The release that made it."""
    schema: int
    made_s: float
    host: str
    master_key: str
    """The public key's fingerprint; empty: there was no key yet."""
    digests: dict[str, str]


def write_archive(
    file: IO[bytes], contents: Contents, parts: dict[str, bytes], store: Path
) -> None:
    """Write it all. Raises `OSError`."""
    with tarfile.open(
        fileobj=file, mode="w:gz", compresslevel=COMPRESSION, format=tarfile.PAX_FORMAT
    ) as tar:
        for name, data in ((LIST, msgspec.json.encode(contents)), *sorted(parts.items())):
            tar.addfile(_member(name, len(data), contents.made_s), io.BytesIO(data))
        with store.open("rb") as database:
            tar.addfile(_member(STORE, store.stat().st_size, contents.made_s), database)


def read_archive(
    path: Path, store: Path, *, file: IO[bytes] | None = None
) -> tuple[Contents, dict[str, bytes]]:
    """Give the list and the small parts, and write the database to `store` (synced, 0600).

    `file` is the open backup, where whoever may open `path` is not whom this runs as.
    Raises `UsageError` for what is no whole backup, `HostError` if one of them can't be read or
    written.
    """
    try:
        with tarfile.open(path, mode="r|gz", fileobj=file) as tar:
            first = tar.next()
            if first is None or first.name != LIST:
                raise UsageError(f"{path} is no backup of a limpet master")
            contents = _contents(path, _small(path, tar, first))
            parts: dict[str, bytes] = {}
            seen = {STORE} & contents.digests.keys()
            while (member := tar.next()) is not None:
                name = member.name
                if not member.isreg() or name not in contents.digests or name in parts:
                    raise UsageError(f"{path} holds what no backup holds: {name[:100]!a}")
                if name == STORE:
                    digest = _copy(path, tar, member, store)
                    seen.discard(STORE)
                else:
                    parts[name] = _small(path, tar, member)
                    digest = hashlib.sha256(parts[name]).hexdigest()
                if digest != contents.digests[name]:
                    raise UsageError(f"{path} is damaged: {name} is not what was saved")
            missing = seen | contents.digests.keys() - parts.keys() - {STORE}
            if missing:
                raise UsageError(f"{path} is cut off: {sorted(missing)[0]} is missing")
    except (tarfile.TarError, EOFError, zlib.error, RecursionError, OverflowError) as error:
        raise UsageError(f"{path} is no backup, or is damaged: {error}") from error
    except OSError as error:
        if error.errno:
            raise host_error("read", path, error) from error
        raise UsageError(f"{path} is no backup, or is damaged: {error}") from error
    return contents, parts


def _contents(path: Path, data: bytes) -> Contents:
    try:
        contents = msgspec.json.decode(data, type=Contents)
    except msgspec.DecodeError as error:
        raise UsageError(f"{path} has a list of contents that can't be read: {error}") from error
    if contents.format != FORMAT:
        raise UsageError(
            f"{path} was made by limpet {contents.version[:40]!a} in a format that this release "
            "does not know: install that release, restore, then upgrade"
        )
    for name in contents.digests:
        if name not in (STORE, KEYS) and not _NAME.fullmatch(name):
            raise UsageError(f"{path} holds what no backup holds: {name[:100]!a}")
    if STORE not in contents.digests or len(contents.digests) > MEMBERS_MAX:
        raise UsageError(f"{path} is no backup of a limpet master")
    return contents


def _member(name: str, size: int, made_s: float) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.size = size
    member.mode = 0o600
    member.mtime = int(made_s)
    return member


def _small(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    if member.size > SMALL_BYTES_MAX or not member.isreg():
        raise UsageError(f"{path} holds what no backup holds: {member.name[:100]!a}")
    file = tar.extractfile(member)
    assert file is not None
    return file.read()


def _copy(path: Path, tar: tarfile.TarFile, member: tarfile.TarInfo, store: Path) -> str:
    file = tar.extractfile(member)
    assert file is not None
    digest = hashlib.sha256()
    descriptor = os.open(
        store, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, 0o600
    )
    try:
        while piece := file.read(PIECE_BYTES):
            digest.update(piece)
            try:
                write_all(descriptor, piece)
            except OSError as error:
                raise host_error("write", store, error) from error
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
    return digest.hexdigest()
