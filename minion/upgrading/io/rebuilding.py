"""Rebuilding the installed package, so that there is something to go back to.

The archive is written at once, without a staging tree: files as they are on disk, configuration
files as they came with the package (their pristine copies lie in the payload), scripts and control
data from the package database. Not packed: it is read once, if at all. A program that is not as it
was installed (a file was changed, or half of another version was unpacked over it) is not kept.
"""

import hashlib
import io
import os
import stat
import tarfile
from pathlib import Path
from typing import IO, Final

from limpet.common.errors import HostError
from limpet.common.packages.deb import read_facts
from limpet.common.storage.files import host_error, sync_directory
from limpet.minion.upgrading.io.layout import Installation
from limpet.minion.upgrading.io.package_manager import PACKAGE

_SCRIPTS: Final = ("preinst", "postinst", "prerm", "postrm", "config")
_DATA: Final = ("conffiles", "md5sums", "triggers", "templates", "shlibs", "symbols")
_LEFT_OUT: Final = ("status", "conffiles", "config-version")
"""Fields that the database adds to a control file."""
INFO_BYTES_MAX: Final = 16 * 1024 * 1024


class PackageRebuilder:
    """Rebuilds the package that is installed."""

    def __init__(
        self,
        installation: Installation,
        *,
        database: Path = Path("/var/lib/dpkg"),
        root: Path = Path("/"),
    ) -> None:
        """`root` is where the package's files lie; other than `/` in tests."""
        self._installation = installation
        self._database = database
        self._root = root

    def keep(self, target: Path) -> str:
        """Write the package; gives its version. Raises `HostError`, and leaves no half of it."""
        new = target.with_name(f".{target.name}.new")
        try:
            self._check_sums()
            with open(new, "wb") as file:
                os.fchmod(file.fileno(), 0o600)
                self._write(file)
                file.flush()
                os.fsync(file.fileno())
            with open(new, "rb") as file:
                version = read_facts(file, str(new)).version
            new.rename(target)
            sync_directory(target.parent)
        except OSError as error:
            new.unlink(missing_ok=True)
            raise host_error("rebuild the package", error.filename or new, error) from error
        except HostError:
            new.unlink(missing_ok=True)
            raise
        return version

    def _write(self, file: IO[bytes]) -> None:
        file.write(b"!<arch>\n")
        _add_member(file, "debian-binary", b"2.0\n")
        _add_member(file, "control.tar", self._control_archive())
        header_at = file.tell()
        file.write(_header("data.tar", 0))
        begins = file.tell()
        with tarfile.open(fileobj=file, mode="w:", format=tarfile.GNU_FORMAT) as archive:
            self._add_files(archive)
        size = file.seek(0, os.SEEK_END) - begins
        if size % 2:
            file.write(b"\n")
        file.seek(header_at)
        file.write(_header("data.tar", size))
        file.seek(0, os.SEEK_END)

    def _control_archive(self) -> bytes:
        buffer = io.BytesIO()
        with tarfile.open(fileobj=buffer, mode="w:", format=tarfile.GNU_FORMAT) as archive:
            _add_bytes(archive, "./control", self._control(), 0o644)
            for name in (*_SCRIPTS, *_DATA):
                data = self._info(name)
                if data is not None:
                    _add_bytes(archive, f"./{name}", data, 0o755 if name in _SCRIPTS else 0o644)
        return buffer.getvalue()

    def _control(self) -> bytes:
        """Give the paragraph of the package in the database, without what the database added."""
        path = self._database / "status"
        text = path.read_text(encoding="utf-8")
        for paragraph in text.split("\n\n"):
            lines = paragraph.strip("\n").splitlines()
            if f"Package: {PACKAGE}" in lines:
                break
        else:
            raise HostError(f"{PACKAGE} is not installed: {path} does not name it")
        kept: list[str] = []
        is_kept = True
        for line in lines:
            if not line.startswith((" ", "\t")):
                is_kept = line.partition(":")[0].lower() not in _LEFT_OUT
            if is_kept:
                kept.append(line)
        return "\n".join([*kept, ""]).encode()

    def _info(self, name: str) -> bytes | None:
        try:
            data = (self._database / "info" / f"{PACKAGE}.{name}").read_bytes()
        except FileNotFoundError:
            return None
        if len(data) > INFO_BYTES_MAX:
            raise HostError(f"{PACKAGE}.{name} in {self._database} has {len(data)} bytes")
        return data

    def _add_files(self, archive: tarfile.TarFile) -> None:
        listed = self._info("list")
        if listed is None:
            raise HostError(f"the package database has no list of the files of {PACKAGE}")
        conffiles = set((self._info("conffiles") or b"").decode().split("\n"))
        for line in listed.decode("utf-8", "surrogateescape").splitlines():
            name = line.rstrip("/").removesuffix("/.")
            if not name:
                continue
            on_disk = self._root / name.lstrip("/")
            is_program = on_disk.is_relative_to(self._installation.base)
            if not (is_program or name in conffiles or os.path.lexists(on_disk)):
                continue  # dpkg was told to leave it out, as manuals are on small hosts
            source = self._pristine(name, on_disk) if name in conffiles else on_disk
            member = archive.gettarinfo(source, arcname=f".{name}")
            if member is None:
                raise HostError(f"{source} belongs to {PACKAGE} but can't be packed")
            if source is not on_disk and on_disk.is_file():
                _take_over_rights(member, on_disk)
            if member.isreg():
                with open(source, "rb") as content:
                    archive.addfile(member, content)
            else:
                archive.addfile(member)

    def _check_sums(self) -> None:
        """See to it that the program is the one that was installed."""
        for line in (self._info("md5sums") or b"").decode("utf-8", "surrogateescape").splitlines():
            wanted, _, name = line.partition("  ")
            path = self._root / name
            if not path.is_relative_to(self._installation.base):
                continue
            with open(path, "rb") as file:
                # As dpkg does it; whoever could forge one could write the file.
                found = hashlib.file_digest(file, lambda: hashlib.md5(usedforsecurity=False))
            if found.hexdigest() != wanted:
                raise HostError(f"{path} is not as {PACKAGE} brought it: install the package again")

    def _pristine(self, name: str, source: Path) -> Path:
        """Give the configuration file as it came, or as it is where no pristine copy is kept."""
        kept = self._installation.base / "payload" / "share" / "conffiles"
        found = kept / name.lstrip("/")
        return found if found.is_file() else source


def _take_over_rights(member: tarfile.TarInfo, path: Path) -> None:
    """Give a pristine copy the owner and the mode of the file that it stands for."""
    found = path.stat()
    member.mode = stat.S_IMODE(found.st_mode)
    member.uid, member.gid = found.st_uid, found.st_gid
    member.uname = member.gname = ""


def _add_bytes(archive: tarfile.TarFile, name: str, data: bytes, mode: int) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mode = mode
    archive.addfile(member, io.BytesIO(data))


def _header(name: str, size: int) -> bytes:
    return f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{size:<10}`\n".encode()


def _add_member(file: IO[bytes], name: str, data: bytes) -> None:
    file.write(_header(name, len(data)) + data + b"\n" * (len(data) % 2))
