"""Debian packages made in memory: right ones, and ones that are wrong in every way."""

import gzip
import io
import lzma
import tarfile
from collections.abc import Callable, Mapping

FIELDS: Mapping[str, str] = {
    "Package": "limpet-minion",
    "Version": "2.0",
    "Architecture": "amd64",
    "Installed-Size": "1000",
    "Limpet-Journal-Format": "1",
    "Limpet-Protocol": "1-2",
    "Description": "the minion\n of limpet",
}
PACKERS: Mapping[str, Callable[[bytes], bytes]] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".xz": lzma.compress,
    ".zst": lambda data: b"\x28\xb5\x2f\xfd" + data,
}


def control_text(**changes: str | None) -> bytes:
    """Give a control file; changes stand with `_` for `-`, None leaves a field out."""
    fields: dict[str, str | None] = dict(FIELDS)
    fields.update({name.replace("_", "-"): value for name, value in changes.items()})
    lines = [f"{name}: {value}" for name, value in fields.items() if value is not None]
    return "\n".join([*lines, ""]).encode()


def archive_of(files: Mapping[str, bytes]) -> bytes:
    """Give a tar archive of files."""
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return buffer.getvalue()


def member(name: str, data: bytes, *, length: int | None = None) -> bytes:
    """Give a member of an ar archive."""
    size = len(data) if length is None else length
    head = f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{size:<10}`\n".encode()
    return head + data + b"\n" * (len(data) % 2)


def package(*, packed: str = ".xz", contents: bytes = b"data", **changes: str | None) -> bytes:
    """Give a whole package."""
    control = PACKERS[packed](archive_of({"./control": control_text(**changes)}))
    return (
        b"!<arch>\n"
        + member("debian-binary", b"2.0\n")
        + member(f"control.tar{packed}", control)
        + member("data.tar.xz", contents)
    )
