"""A backup's file: what was written is read again, and nothing else is."""

import gzip
import hashlib
import io
import tarfile
from pathlib import Path

import msgspec
import pytest

from limpet.common.errors import UsageError
from limpet.master.backup import archive, sealing

STORE = b"a database" * 1000
PARTS = {"configuration/master.yaml": b"port: 4506\n", "configuration/master.d/50-setup.yaml": b""}


def contents_of(parts: dict[str, bytes], **changes: object) -> archive.Contents:
    digests = {name: hashlib.sha256(data).hexdigest() for name, data in parts.items()}
    digests[archive.STORE] = hashlib.sha256(STORE).hexdigest()
    made = archive.Contents(archive.FORMAT, "1", 1, 1e9, "host", "", digests)
    return msgspec.structs.replace(made, **changes)


@pytest.fixture
def written(tmp_path: Path) -> Path:
    store = tmp_path / "source.db"
    store.write_bytes(STORE)
    path = tmp_path / "backup"
    with path.open("wb") as file:
        archive.write_archive(file, contents_of(PARTS), PARTS, store)
    return path


def tar_of(path: Path, contents: archive.Contents, *members: tuple[tarfile.TarInfo, bytes]) -> Path:
    with tarfile.open(path, "w:gz") as tar:
        data = msgspec.json.encode(contents)
        first = tarfile.TarInfo(archive.LIST)
        first.size = len(data)
        tar.addfile(first, io.BytesIO(data))
        for member, body in members:
            member.size = len(body)
            tar.addfile(member, io.BytesIO(body))
    return path


def member(name: str, kind: bytes = tarfile.REGTYPE, link: str = "") -> tarfile.TarInfo:
    made = tarfile.TarInfo(name)
    made.type = kind
    made.linkname = link
    return made


def test_what_was_written_is_read(written: Path, tmp_path: Path) -> None:
    contents, parts = archive.read_archive(written, tmp_path / "store.db")
    assert (contents.host, parts) == ("host", PARTS)
    assert (tmp_path / "store.db").read_bytes() == STORE
    assert (tmp_path / "store.db").stat().st_mode & 0o777 == 0o600


def test_a_file_that_is_cut_off_or_changed_anywhere_gives_the_whole_or_nothing(
    written: Path, tmp_path: Path
) -> None:
    whole = written.read_bytes()
    cut = [whole[:length] for length in range(0, len(whole), 7)]
    changed = [
        whole[:at] + bytes([whole[at] ^ 0x10]) + whole[at + 1 :] for at in range(0, len(whole), 11)
    ]
    broken = tmp_path / "broken"
    refused = 0
    for number, data in enumerate((*cut, *changed)):
        broken.write_bytes(data)
        try:
            _, parts = archive.read_archive(broken, tmp_path / f"store{number}")
        except UsageError:
            refused += 1
            continue
        # The padding of tar, or a header's field that nobody reads.
        assert (parts, (tmp_path / f"store{number}").read_bytes()) == (PARTS, STORE)
    assert refused > 0.9 * len(cut) + 0.5 * len(changed)


@pytest.mark.parametrize(
    "extra",
    [
        (member("../../etc/passwd"), b"x"),
        (member("configuration/../x.yaml"), b"x"),
        (member("store/master.db", tarfile.SYMTYPE, "/etc/passwd"), b""),
        (member("configuration/master.yaml", tarfile.LNKTYPE, "store/master.db"), b""),
        (member("configuration/master.yaml"), b"x" * (archive.SMALL_BYTES_MAX + 1)),
        (member("configuration/master.yaml"), b"another text"),
        (member("store/master.db"), b"another store"),
    ],
    ids=["outside", "dots", "symlink", "hard link", "too large", "other text", "other store"],
)
def test_what_no_backup_holds_is_refused(
    extra: tuple[tarfile.TarInfo, bytes], tmp_path: Path
) -> None:
    path = tar_of(tmp_path / "evil", contents_of(PARTS), extra)
    with pytest.raises(UsageError, match=r"holds what no backup holds|damaged"):
        archive.read_archive(path, tmp_path / "store.db")
    assert list(tmp_path.rglob("*.yaml")) == []


def test_a_list_that_names_a_place_outside_is_refused(tmp_path: Path) -> None:
    for name in ("/etc/x.yaml", "configuration/../../x.yaml", "configuration/master.d/a/b.yaml"):
        path = tar_of(tmp_path / "evil", contents_of({name: b"x"}), (member(name), b"x"))
        with pytest.raises(UsageError, match="holds what no backup holds"):
            archive.read_archive(path, tmp_path / "store.db")


@pytest.mark.parametrize(
    "blocks",
    [
        [(b"L", b"%011o\0" % 1), b"a".ljust(512, b"\0")] * 2000,
        [(b"x", b"%011o\0" % 0)] * 4000,
        [(b"0", b"\x80" + b"\x7f" * 11)],
        [(b"0", b"\xff" * 10 + b"\xfc\0")],
    ],
    ids=["names for names", "headers for headers", "a size beyond all bounds", "a size below 0"],
)
def test_hostile_headers_are_no_backup(
    tmp_path: Path, blocks: list[tuple[bytes, bytes] | bytes]
) -> None:
    data = b"".join(each if isinstance(each, bytes) else _header(*each) for each in blocks)
    path = tmp_path / "backup"
    path.write_bytes(gzip.compress(data + bytes(1024)))
    with pytest.raises(UsageError, match="backup"):
        archive.read_archive(path, tmp_path / "store")


def _header(kind: bytes, size: bytes) -> bytes:
    """Give one header of a tar archive, with a size as it stands there."""
    block = bytearray(tarfile.TarInfo(archive.LIST).tobuf(tarfile.GNU_FORMAT))
    block[124:136], block[148:156], block[156:157] = size, b" " * 8, kind
    block[148:156] = b"%06o\0 " % sum(block)
    return bytes(block)


def test_another_format_is_named(tmp_path: Path) -> None:
    path = tar_of(tmp_path / "new", contents_of({}, format=2, version="9.0"))
    with pytest.raises(UsageError, match=r"limpet '9\.0' in a format"):
        archive.read_archive(path, tmp_path / "store.db")


def test_a_seal_opens_by_its_passphrase_alone() -> None:
    sealed = sealing.seal(b"secret", "a good passphrase")
    assert b"secret" not in sealed
    assert sealing.unseal(sealed, "a good passphrase") == b"secret"
    with pytest.raises(UsageError, match="passphrase"):
        sealing.unseal(sealed, "a good passphrasE")
    with pytest.raises(UsageError, match="passphrase"):
        sealing.unseal(sealed[:-1] + bytes([sealed[-1] ^ 1]), "a good passphrase")
    with pytest.raises(UsageError, match="8 characters"):
        sealing.seal(b"secret", "short")
