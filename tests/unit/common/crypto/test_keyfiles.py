"""Key files: private, never overwritten, and put right from their copies."""

import os
from pathlib import Path

import pytest

from limpet.common.crypto import keyfiles
from limpet.common.crypto.keyfiles import (
    KeyPair,
    load_or_make_pair,
    read_trusted,
    write_trusted,
)
from limpet.common.crypto.keys import encode_base32
from limpet.common.errors import ExitCode, HostError, SourceError
from limpet.common.transport.sockets import make_keypair, public_key_of

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can give files away")


def load(directory: Path) -> KeyPair:
    return load_or_make_pair(directory, "minion", make=make_keypair, public_of=public_key_of)


def never() -> tuple[bytes, bytes]:
    raise AssertionError("a second pair would be made")


@pytest.mark.covers("R-8.3")
def test_a_pair_is_made_once_and_private(tmp_path: Path) -> None:
    made = load(tmp_path)
    assert made.notices == ()
    again = load_or_make_pair(tmp_path, "minion", make=never, public_of=public_key_of)
    assert again == made
    assert made.secret.hex() not in repr(made)
    modes = {path.name: path.stat().st_mode & 0o777 for path in tmp_path.iterdir()}
    assert modes == {
        "minion.secret": 0o600,
        "minion.secret.copy": 0o600,
        "minion.public": 0o644,
    }


@pytest.mark.covers("R-8.3")
def test_a_secret_that_appears_meanwhile_is_not_overwritten(tmp_path: Path) -> None:
    def slow() -> tuple[bytes, bytes]:
        load(tmp_path)
        return make_keypair()

    with pytest.raises(FileExistsError):
        load_or_make_pair(tmp_path, "minion", make=slow, public_of=public_key_of)
    assert load(tmp_path).notices == ()


@pytest.mark.covers("A7")
@pytest.mark.parametrize("name", ["minion.secret", "minion.secret.copy", "minion.public"])
@pytest.mark.parametrize("damage", [b"", b"\0" * 53, b"abc", None])
def test_a_torn_or_missing_file_is_put_right(
    tmp_path: Path, name: str, damage: bytes | None
) -> None:
    made = load(tmp_path)
    path = tmp_path / name
    whole = path.read_bytes()
    if damage is None:
        path.unlink()
    else:
        path.write_bytes(damage)
    found = load_or_make_pair(tmp_path, "minion", make=never, public_of=public_key_of)
    assert (found.public, found.secret) == (made.public, made.secret)
    assert path.read_bytes() == whole
    if damage is not None:
        assert name in found.notices[0]
    assert load(tmp_path).notices == ()


@pytest.mark.covers("A7")
def test_both_copies_damaged_is_an_error_with_the_way_out(tmp_path: Path) -> None:
    load(tmp_path)
    for name in ("minion.secret", "minion.secret.copy"):
        (tmp_path / name).write_bytes(b"")
    with pytest.raises(
        SourceError, match=r"damaged, and so is its copy: .*`rm .*minion.secret"
    ) as e:
        load(tmp_path)
    assert e.value.exit_code is ExitCode.USAGE


@pytest.mark.covers("A17", "B-80")
@pytest.mark.parametrize("form", ["{}\r\n", "\ufeff{}", "  {}  \n\n", "{}", "{}\r\n\r\n\0"])
def test_line_ends_and_blanks_change_no_identity(tmp_path: Path, form: str) -> None:
    made = load(tmp_path)
    for name, key in (("minion.secret", made.secret), ("minion.public", made.public)):
        (tmp_path / name).write_bytes(form.format(encode_base32(key)).encode())
    assert load(tmp_path) == made
    (tmp_path / "minion.secret").write_bytes(form.format(made.secret.hex()).encode())
    assert load(tmp_path) == made


@pytest.mark.covers("B-80")
def test_a_secret_open_to_others_is_refused_with_the_fix(tmp_path: Path) -> None:
    load(tmp_path)
    for name in ("minion.secret", "minion.secret.copy"):
        path = tmp_path / name
        path.chmod(0o644)
        with pytest.raises(SourceError) as raised:
            load(tmp_path)
        assert str(raised.value) == (
            f"{path}: a secret must not be open to others (mode 0644): chmod 600 {path}"
        )
        path.chmod(0o400)
    assert load(tmp_path).notices == ()


@needs_root
@pytest.mark.covers("B-80")
def test_a_secret_of_somebody_else_is_refused_with_the_fix(tmp_path: Path) -> None:
    load(tmp_path)
    os.chown(tmp_path / "minion.secret", 65534, 65534)
    with pytest.raises(SourceError, match=r"must not belong to nobody: chown root .*minion.secret"):
        load(tmp_path)


@pytest.mark.covers("B-80")
def test_a_public_key_of_another_pair_is_refused(tmp_path: Path) -> None:
    load(tmp_path)
    (tmp_path / "minion.public").write_text(encode_base32(make_keypair()[0]))
    with pytest.raises(SourceError, match="the public key does not belong to the secret beside it"):
        load(tmp_path)


@pytest.mark.covers("B-80", "B-48")
def test_a_link_and_a_pipe_are_no_key_files(tmp_path: Path) -> None:
    load(tmp_path)
    path = tmp_path / "minion.secret"
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    with pytest.raises(SourceError, match=r"minion.secret"):
        load(tmp_path)
    path.unlink()
    os.mkfifo(path)
    with pytest.raises(SourceError, match="not a regular file"):
        load(tmp_path)


@pytest.mark.covers("I1")
def test_a_full_disk_keeps_no_good_key_from_being_used(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = load(tmp_path)
    (tmp_path / "minion.secret").write_bytes(b"")

    def full(path: Path, data: bytes, *, mode: int) -> None:
        raise HostError(f"cannot write {path}: No space left on device")

    monkeypatch.setattr(keyfiles, "write_whole", full)
    found = load(tmp_path)
    assert found.secret == made.secret
    assert "stays so: cannot write" in found.notices[0]


@pytest.mark.covers("A7")
def test_trust_is_restored_from_its_copy_and_else_learned_anew(tmp_path: Path) -> None:
    path = tmp_path / "trusted.public"
    assert read_trusted(path) == (None, ())
    key, other = make_keypair()[0], make_keypair()[0]
    write_trusted(path, key)
    assert read_trusted(path) == (key, ())
    path.write_bytes(b"")
    found, notices = read_trusted(path)
    assert (found, len(notices)) == (key, 1)
    assert read_trusted(path) == (key, ())
    write_trusted(path, other)
    assert read_trusted(path) == (other, ())
    path.write_bytes(b"\0" * 10)
    (tmp_path / "trusted.public.copy").write_text(encode_base32(bytes(32)))
    found, notices = read_trusted(path)
    assert found is None
    assert "learned anew" in notices[0]


def flipped(text: str) -> str:
    """Change one character into another of the alphabet, as a bad bit does."""
    return ("b" if text[0] != "b" else "c") + text[1:]


@pytest.mark.covers("A7", "D6")
@pytest.mark.parametrize("file", ["minion.secret", "minion.secret.copy", "minion.public"])
def test_a_flipped_bit_that_leaves_a_key_is_mended_from_the_two_others(
    tmp_path: Path, file: str
) -> None:
    pair = load(tmp_path)
    good = (tmp_path / file).read_text()
    (tmp_path / file).write_text(flipped(good))
    found = load(tmp_path)
    assert (found.public, found.secret) == (pair.public, pair.secret)
    assert any(file in notice for notice in found.notices)
    assert (tmp_path / file).read_text() == good
    assert load(tmp_path).notices == ()
