r"""Reading what a Debian package says of itself, without dpkg: the control file in the archive.

    ar:  "!<arch>\n", then members: debian-binary, control.tar[.gz|.xz], data.tar[.*]

Whoever hands a package over may have made it up, so every step is bounded, nothing is written
anywhere, and what is wrong is one `PackageError` that names the file. The contents are not looked
at: their checksums are dpkg's business.
"""

import io
import lzma
import os
import re
import tarfile
import zlib
from typing import IO, Final

import msgspec

from limpet.common.errors import HostError

PACKAGE_BYTES_MAX: Final = 200 * 1024 * 1024
"""The largest package that is taken; limpet's have about 20 MB."""
CONTROL_ARCHIVE_BYTES_MAX: Final = 1024 * 1024
"""Of the packed control archive, and of what one of its files may unpack to."""
UNPACKED_BYTES_MAX: Final = 4 * 1024 * 1024
CONTROL_BYTES_MAX: Final = 64 * 1024
MEMBERS_MAX: Final = 16
"""Members of the archive, and files of the control archive that are looked at."""

_UNREADABLE: Final = (
    OSError,
    tarfile.TarError,
    lzma.LZMAError,
    zlib.error,
    EOFError,
    ValueError,
    # What `tarfile` makes of headers that stand for one another, or of sizes beyond all bounds.
    RecursionError,
    OverflowError,
)
_MAGIC: Final = b"!<arch>\n"
_HEADER_BYTES: Final = 60
_FIELD: Final = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.-]{0,60}):[ \t]*(.*)")
_NAME: Final = re.compile(r"[a-z0-9][a-z0-9+.-]{1,60}")
_VERSION: Final = re.compile(r"[0-9][A-Za-z0-9.+~:-]{0,100}")
_RANGE: Final = re.compile(r"([0-9]{1,4})-([0-9]{1,4})")


class PackageError(HostError):
    """A file is no package, or one that can't be read."""


class PackageFacts(msgspec.Struct, frozen=True, kw_only=True):
    """What a package says of itself."""

    name: str
    version: str
    architecture: str
    installed_kib: int = 0
    """Space that its files need, as it says."""
    protocol_min: int = 0
    protocol_max: int = 0
    """`Limpet-Protocol: MIN-MAX`; 0: not said."""
    journal_format: int = 0
    """`Limpet-Journal-Format`: what the minion in it writes; 0: not said."""
    store_schema: int = 0
    """`Limpet-Store-Schema`: what the master in it writes; 0: not said."""


def read_facts(file: IO[bytes], shown: str) -> PackageFacts:
    """Read a package's control file. `shown` names the package in errors. Raises `PackageError`."""
    try:
        return facts_of(_control(file), shown)
    except _UNREADABLE as error:
        raise PackageError(f"{shown} is not a package that can be read: {error}") from error


def facts_of(control: bytes, shown: str) -> PackageFacts:
    """Take the facts out of the text of a control file. Raises `PackageError`."""
    fields = parse_control(control.decode("utf-8", "replace"))
    name, version = fields.get("package", ""), fields.get("version", "")
    if not _NAME.fullmatch(name) or not _VERSION.fullmatch(version):
        raise PackageError(f"{shown} is no package: its control file names none ({name[:60]!a})")
    protocol = fields.get("limpet-protocol", "")
    found = _RANGE.fullmatch(protocol)
    if protocol and found is None:
        raise PackageError(f"{shown}: Limpet-Protocol: {protocol[:60]!a} is not MIN-MAX")
    return PackageFacts(
        name=name,
        version=version,
        architecture=fields.get("architecture", "")[:60],
        installed_kib=_number(fields, "installed-size", shown),
        protocol_min=int(found[1]) if found else 0,
        protocol_max=int(found[2]) if found else 0,
        journal_format=_number(fields, "limpet-journal-format", shown),
        store_schema=_number(fields, "limpet-store-schema", shown),
    )


def parse_control(text: str) -> dict[str, str]:
    """Give the fields of the first paragraph by their name in lower case, each on one line."""
    fields: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if not line.strip():
            if fields:
                break
        elif line[0] in " \t":
            if name:
                fields[name] += f"\n{line.strip()}"
        elif (found := _FIELD.fullmatch(line)) is not None:
            name = found[1].lower()
            fields[name] = found[2].strip()
    return fields


def _number(fields: dict[str, str], name: str, shown: str) -> int:
    text = fields.get(name, "0")
    if not text.isascii() or not text.isdigit() or len(text) > 12:
        raise PackageError(f"{shown}: its field {name} is {text[:60]!a}, not a number")
    return int(text)


def _control(file: IO[bytes]) -> bytes:
    """Find the control file, and see to it that the archive is whole."""
    size = file.seek(0, os.SEEK_END)
    file.seek(0)
    if size > PACKAGE_BYTES_MAX:
        raise ValueError(f"it has {size} bytes, more than {PACKAGE_BYTES_MAX}")
    if file.read(len(_MAGIC)) != _MAGIC:
        raise ValueError("it does not begin as a .deb does")
    control: bytes | None = None
    offset = len(_MAGIC)
    for number in range(MEMBERS_MAX):
        file.seek(offset)
        header = file.read(_HEADER_BYTES)
        name, length = _member(header)
        begins = offset + _HEADER_BYTES
        if begins + length > size:
            raise ValueError(f"it is cut off: {begins + length} bytes are expected, it has {size}")
        if number == 0:
            if name != "debian-binary" or not file.read(min(length, 16)).startswith(b"2."):
                raise ValueError("it is not a package of format 2")
        elif name.startswith("control.tar") and control is None:
            if length > CONTROL_ARCHIVE_BYTES_MAX:
                raise ValueError(f"its {name} has {length} bytes")
            control = _from_archive(name, file.read(length))
        elif name.startswith("data.tar"):
            if control is None:
                raise ValueError("it has no control archive")
            return control
        offset = begins + length + length % 2
    raise ValueError("it has no contents")


def _member(header: bytes) -> tuple[str, int]:
    if len(header) != _HEADER_BYTES or header[58:] != b"`\n":
        raise ValueError("it is cut off, or its archive is damaged")
    text = header[48:58].decode("ascii").strip()
    if not text.isdigit():
        raise ValueError("its archive is damaged")
    return header[:16].decode("ascii").rstrip().rstrip("/"), int(text)


def _from_archive(name: str, data: bytes) -> bytes:
    """Give the file `control` of a control archive."""
    kind = name.removeprefix("control.tar")
    if kind == ".gz":
        unpacked = zlib.decompressobj(31).decompress(data, UNPACKED_BYTES_MAX + 1)
    elif kind == ".xz":
        unpacked = lzma.LZMADecompressor(memlimit=128 * 1024 * 1024).decompress(
            data, UNPACKED_BYTES_MAX + 1
        )
    elif kind == "":
        unpacked = data
    else:
        raise ValueError(f"its {name} is packed in a way that is not read here: use xz or gzip")
    if len(unpacked) > UNPACKED_BYTES_MAX:
        raise ValueError(f"its {name} unpacks to more than {UNPACKED_BYTES_MAX} bytes")
    with tarfile.open(fileobj=io.BytesIO(unpacked), mode="r:") as archive:
        for _ in range(4 * MEMBERS_MAX):
            member = archive.next()
            if member is None:
                break
            if member.name.removeprefix("./") != "control" or not member.isreg():
                continue
            if member.size > CONTROL_BYTES_MAX:
                raise ValueError(f"its control file has {member.size} bytes")
            found = archive.extractfile(member)
            assert found is not None
            return found.read(CONTROL_BYTES_MAX)
    raise ValueError("its control archive has no control file")
