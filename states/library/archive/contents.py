"""Archives of tar and zip: what is in them, and unpacking it to nowhere but its place.

A member that would lie outside of the target, or be a link that leads out of it, is a `HostError`:
nothing of such an archive is unpacked.
"""

import copy
import os
import posixpath
import stat
import tarfile
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import IO, Any, Final, Literal

from limpet.common.errors import HostError

MEMBERS_MAX: Final = 1_000_000
_LINK_BYTES_MAX: Final = 4096
_TAR: Final = (
    ".tar", ".tgz", ".tbz", ".tbz2", ".txz", ".tlz", ".tzst",
    ".tar.gz", ".tar.bz2", ".tar.xz", ".tar.lzma", ".tar.zst", ".tar.z",
)  # fmt: skip

Format = Literal["tar", "zip"]


@dataclass(frozen=True, slots=True)
class Member:
    """One thing in an archive."""

    path: str
    """Without a slash at the end."""
    kind: Literal["directory", "file", "link"]


def guess_format(source: str) -> Format | None:
    """Tell the format by the name of the archive; None: it can't be told."""
    name = source.partition("?")[0].lower()
    if name.endswith(_TAR):
        return "tar"
    return "zip" if name.endswith((".zip", ".jar", ".war")) else None


@contextmanager
def opened(path: str, form: Format) -> Iterator["tarfile.TarFile | zipfile.ZipFile"]:
    """Open an archive. Raises `HostError` where it is none."""
    try:
        # Closed below: what opening raises is told otherwise than what reading raises.
        archive: Any = tarfile.open(path) if form == "tar" else zipfile.ZipFile(path)  # noqa: SIM115
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        raise HostError(f"{path} is no archive of the format {form}: {error}") from error
    with archive:
        try:
            yield archive
        except (tarfile.TarError, zipfile.BadZipFile, EOFError) as error:
            raise HostError(f"{path} is damaged: {error}") from error


def members(archive: "tarfile.TarFile | zipfile.ZipFile", strip: int = 0) -> list[Member]:
    """List what is in it; `strip` takes so many leading parts off the paths."""
    found = []
    for name, kind in _entries(archive):
        parts = [each for each in name.split("/") if each not in ("", ".")]
        path = "/".join(parts[strip:])
        if path:
            found.append(Member(path, kind))
        if len(found) > MEMBERS_MAX:
            raise HostError(f"the archive has more than {MEMBERS_MAX} members")
    return found


def names(archive: "tarfile.TarFile | zipfile.ZipFile") -> list[str]:
    """Give the names as they stand in the archive."""
    return archive.getnames() if isinstance(archive, tarfile.TarFile) else archive.namelist()


def extract(
    archive: "tarfile.TarFile | zipfile.ZipFile",
    target: str,
    *,
    keeps_modes: bool = True,
    password: str | None = None,
) -> None:
    """Unpack all of it below a directory. Raises `HostError`."""
    try:
        if isinstance(archive, tarfile.TarFile):
            _check_links(archive)
            checked = [_inside(each, target) for each in archive.getmembers()]
            # Newer Pythons would otherwise look at members a second time, by rules of their own.
            archive.extraction_filter = _as_it_is
            archive.extractall(target, checked)  # noqa: S202 - each was looked at above
        else:
            _extract_zip(archive, target, keeps_modes, password)
    except OSError as error:
        raise HostError(f"the archive can't be extracted to {target}: {error}") from error
    except RuntimeError as error:  # zipfile's word for a missing or wrong password
        raise HostError(f"the archive can't be extracted: {error}") from error


def check(archive: "tarfile.TarFile | zipfile.ZipFile", target: str) -> None:
    """Raise `HostError` if anything in it would leave the target, or stand behind a link of it."""
    _check_links(archive)
    if isinstance(archive, tarfile.TarFile):
        for each in archive.getmembers():
            _inside(each, target)
    else:
        for info in archive.infolist():
            _safe_path(info.filename, target)


def _entries(
    archive: "tarfile.TarFile | zipfile.ZipFile",
) -> Iterator[tuple[str, Literal["directory", "file", "link"]]]:
    if isinstance(archive, tarfile.TarFile):
        for each in archive.getmembers():
            yield each.name, "directory" if each.isdir() else "link" if each.issym() else "file"
        return
    for info in archive.infolist():
        yield info.filename, "link" if _is_link(info) else "directory" if info.is_dir() else "file"


def _check_links(archive: "tarfile.TarFile | zipfile.ZipFile") -> None:
    """Refuse what would be written through the archive's own links, wherever they lead.

    No packing program makes such an archive; those that did were made to leave the target.
    """
    entries = list(_entries(archive))
    links = {_plain(name) for name, kind in entries if kind == "link"}
    if not links:
        return
    ways = [_plain(name).rpartition("/")[0] for name, _ in entries]
    if isinstance(archive, tarfile.TarFile):
        ways += [_plain(each.linkname) for each in archive.getmembers() if each.islnk()]
    for way in set(ways):
        above = ""
        for part in way.split("/"):
            above = f"{above}/{part}" if above else part
            if above in links:
                raise HostError(
                    f"the archive is not extracted: something in it lies behind the link {above!r}"
                )


def _plain(name: str) -> str:
    return "/".join(each for each in name.split("/") if each not in ("", "."))


def _inside(member: tarfile.TarInfo, target: str) -> tarfile.TarInfo:
    """Give the member as it will be written; its name may begin with a slash, as tar allows.

    Not tarfile's own filter: Python has it since 3.11.4, and Debian 12's is 3.11.2. Raises
    `HostError` if it is neither file, directory nor link, or leads out of the target.
    """
    name = member.name.lstrip("/")
    _check_real(os.path.join(target, name), member.name, target)
    if not (member.isfile() or member.isdir() or member.issym() or member.islnk()):
        raise HostError(f"the archive is not extracted: {member.name!r} is a device or a pipe")
    if member.issym() or member.islnk():
        lead = member.linkname
        start = os.path.dirname(name) if member.issym() else ""
        if lead.startswith("/"):
            raise HostError(
                f"the archive is not extracted: the link {member.name!r} leads to {lead!r}, which "
                "may be outside"
            )
        _check_real(os.path.join(target, start, lead), f"{member.name} -> {lead}", target)
    checked = copy.copy(member)
    checked.name = name
    return checked


def _as_it_is(member: tarfile.TarInfo, _target: str) -> tarfile.TarInfo:
    return member


def _is_link(info: zipfile.ZipInfo) -> bool:
    return stat.S_ISLNK(info.external_attr >> 16)


def _safe_path(name: str, target: str) -> str:
    path = posixpath.normpath(posixpath.join(target, name))
    if name.startswith("/") or not f"{path}/".startswith(target.rstrip("/") + "/"):
        raise HostError(f"the archive is not extracted: {name!r} would lie outside of {target}")
    return path


def _check_real(path: str, name: str, target: str) -> None:
    """Refuse a path that links on the disk lead out of the target."""
    if not f"{os.path.realpath(path)}/".startswith(os.path.realpath(target).rstrip("/") + "/"):
        raise HostError(f"the archive is not extracted: {name!r} would lie outside of {target}")


def _extract_zip(
    archive: zipfile.ZipFile, target: str, keeps_modes: bool, password: str | None
) -> None:
    _check_links(archive)
    secret = None if password is None else password.encode("utf-8")
    links: list[tuple[str, str]] = []
    infos = archive.infolist()
    paths = [_safe_path(info.filename, target) for info in infos]
    for info, path in zip(infos, paths, strict=True):
        _check_real(os.path.dirname(path), info.filename, target)
        if _is_link(info):
            if info.file_size > _LINK_BYTES_MAX:
                raise HostError(
                    f"the target of the link {info.filename!r} has {info.file_size} bytes"
                )
            lead = archive.read(info, secret).decode("utf-8", "surrogateescape")
            _safe_path(posixpath.join(posixpath.dirname(info.filename), lead), target)
            links.append((path, lead))
    for info, path in zip(infos, paths, strict=True):
        if _is_link(info):
            continue
        if os.path.islink(path):
            os.unlink(path)
        archive.extract(info, target, secret)
        mode = info.external_attr >> 16 & 0o7777
        if keeps_modes and mode:
            os.chmod(path, mode)
    for path, lead in links:  # at the end: nothing is written through them
        # Of several links each may lead inside, and the last one outside through the others.
        _check_real(os.path.join(os.path.dirname(path), lead), f"{path} -> {lead}", target)
        if os.path.lexists(path):
            os.unlink(path)
        os.makedirs(os.path.dirname(path), exist_ok=True)
        os.symlink(lead, path)


def is_encrypted(file: str | IO[bytes]) -> bool:
    """Say whether a zip archive has a member that is encrypted."""
    with zipfile.ZipFile(file) as archive:
        return any(info.flag_bits & 1 for info in archive.infolist())
