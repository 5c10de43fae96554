"""What a package says of itself is read without dpkg, and what is wrong with one is said."""

import gzip
import io
import lzma
import random
import shutil
import subprocess
import tarfile
from pathlib import Path

import pytest

from limpet.common.packages.deb import (
    CONTROL_ARCHIVE_BYTES_MAX,
    PackageError,
    PackageFacts,
    parse_control,
    read_facts,
)
from support.packaging.made_packages import archive_of, control_text, member, package


def read(data: bytes) -> PackageFacts:
    return read_facts(io.BytesIO(data), "a.deb")


@pytest.mark.parametrize("packed", ["", ".gz", ".xz"])
def test_the_control_file_is_read_however_it_is_packed(packed: str) -> None:
    assert read(package(packed=packed)) == PackageFacts(
        name="limpet-minion",
        version="2.0",
        architecture="amd64",
        installed_kib=1000,
        protocol_min=1,
        protocol_max=2,
        journal_format=1,
    )


def test_a_package_that_says_nothing_of_limpet_says_nothing() -> None:
    facts = read(package(Limpet_Protocol=None, Limpet_Journal_Format=None, Installed_Size=None))
    assert (facts.protocol_max, facts.journal_format, facts.installed_kib) == (0, 0, 0)


def test_fields_go_on_over_lines_and_end_with_the_paragraph() -> None:
    text = "A: b\nDescription: one\n two\n .\nC:  d \n\nE: f\n"
    assert parse_control(text) == {"a": "b", "description": "one\ntwo\n.", "c": "d"}


WHOLE = package()
BAD = {
    "it does not begin as a .deb does": b"#!/bin/sh\n",
    "it is cut off: ": WHOLE[:-2],
    "packed in a way that is not read": package(packed=".zst"),
    "its control file names none": package(Package=None),
    "limpet-protocol": b"",
    "is not MIN-MAX": package(Limpet_Protocol="two"),
    "not a number": package(Installed_Size="many"),
    "it has no control archive": b"!<arch>\n"
    + member("debian-binary", b"2.0\n")
    + member("data.tar", b""),
    "it is not a package of format 2": b"!<arch>\n" + member("debian-binary", b"3.0\n"),
    "no control file": b"!<arch>\n"
    + member("debian-binary", b"2.0\n")
    + member("control.tar", archive_of({"./postinst": b""})),
    f"has {CONTROL_ARCHIVE_BYTES_MAX + 2} bytes": b"!<arch>\n"
    + member("debian-binary", b"2.0\n")
    + member("control.tar", bytes(CONTROL_ARCHIVE_BYTES_MAX + 2)),
    "unpacks to more than": b"!<arch>\n"
    + member("debian-binary", b"2.0\n")
    + member("control.tar.xz", lzma.compress(bytes(8 * 1024 * 1024))),
    "its control file has": b"!<arch>\n"
    + member("debian-binary", b"2.0\n")
    + member("control.tar", archive_of({"./control": bytes(100_000)})),
}
del BAD["limpet-protocol"]


@pytest.mark.parametrize("said", BAD)
def test_what_is_wrong_with_a_package_is_said(said: str) -> None:
    with pytest.raises(PackageError, match=r"a\.deb") as caught:
        read(BAD[said])
    assert said in str(caught.value)


def test_no_damage_leads_to_anything_but_a_package_error() -> None:
    chance = random.Random(5)
    for _ in range(600):
        data = bytearray(WHOLE)
        for _ in range(chance.randrange(1, 6)):
            data[chance.randrange(len(data))] = chance.randrange(256)
        try:
            read(bytes(data[: chance.randrange(len(data)) if chance.random() < 0.3 else None]))
        except PackageError:
            continue


def _header(kind: bytes, size: bytes) -> bytes:
    """Give one header of a tar archive, with a size as it stands there."""
    block = bytearray(tarfile.TarInfo("control").tobuf(tarfile.GNU_FORMAT))
    block[124:136], block[148:156], block[156:157] = size, b" " * 8, kind
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


@pytest.mark.parametrize(
    "archive",
    [
        (_header(b"L", b"%011o\0" % 1) + b"a".ljust(512, b"\0")) * 4000,
        _header(b"x", b"%011o\0" % 0) * 8000,
        _header(b"0", b"\x80" + b"\x7f" * 11) + bytes(1024),
        _header(b"0", b"\xff" * 10 + b"\xfc\0") * 3,
    ],
    ids=["names for names", "headers for headers", "a size beyond all bounds", "a size below 0"],
)
def test_a_hostile_control_archive_is_no_package_and_ends_no_thread(archive: bytes) -> None:
    data = b"!<arch>\n" + member("debian-binary", b"2.0\n")
    data += member("control.tar.gz", gzip.compress(archive)) + member("data.tar", b"")

    with pytest.raises(PackageError, match=r"a\.deb"):
        read(data)


@pytest.mark.skipif(shutil.which("dpkg-deb") is None, reason="dpkg-deb is not here")
def test_what_dpkg_builds_is_read(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "DEBIAN").mkdir(parents=True)
    text = control_text(Maintainer="limpet <limpet@example.org>")
    (tree / "DEBIAN" / "control").write_bytes(text)
    (tree / "file").write_text("content")
    for way in ("-Zxz", "-Zgzip", "-Znone"):
        built = tmp_path / f"{way}.deb"
        words = ["dpkg-deb", "--root-owner-group", way, "--build", str(tree), str(built)]
        subprocess.run(words, check=True, capture_output=True)
        with open(built, "rb") as file:
            assert read_facts(file, "built").version == "2.0"
