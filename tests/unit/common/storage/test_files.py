import os
import stat
from pathlib import Path

import pytest

from limpet.common.errors import HostError
from limpet.common.storage.files import (
    create_whole,
    make_directory,
    read_whole,
    remove,
    write_whole,
)
from limpet.common.storage.reserve import Reserve


def _mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.parametrize("umask", [0o000, 0o077, 0o777])
def test_files_and_directories_get_the_mode_that_was_said_whatever_the_umask(
    tmp_path: Path, umask: int
) -> None:
    before = os.umask(umask)
    try:
        make_directory(tmp_path / "a" / "b", 0o750)
        write_whole(tmp_path / "a" / "b" / "one", b"1")
        create_whole(tmp_path / "a" / "b" / "two", b"2", mode=0o640)
    finally:
        os.umask(before)
    assert _mode(tmp_path / "a") == _mode(tmp_path / "a" / "b") == 0o750
    assert _mode(tmp_path / "a" / "b" / "one") == 0o600
    assert _mode(tmp_path / "a" / "b" / "two") == 0o640


@pytest.mark.covers("A7")
def test_a_file_is_replaced_whole_and_nothing_else_is_left(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"old")
    write_whole(tmp_path / "file", b"new")
    assert (tmp_path / "file").read_bytes() == b"new"
    assert os.listdir(tmp_path) == ["file"]


def test_creating_never_overwrites(tmp_path: Path) -> None:
    create_whole(tmp_path / "secret", b"first")
    with pytest.raises(FileExistsError):
        create_whole(tmp_path / "secret", b"second")
    assert (tmp_path / "secret").read_bytes() == b"first"
    assert os.listdir(tmp_path) == ["secret"]


def test_a_symbolic_link_is_replaced_not_followed(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").write_bytes(b"precious")
    (tmp_path / "file").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(FileExistsError):
        create_whole(tmp_path / "file", b"x")
    with pytest.raises(HostError, match="symbolic link"):
        read_whole(tmp_path / "file", bytes_max=100)
    write_whole(tmp_path / "file", b"x")
    assert (tmp_path / "elsewhere").read_bytes() == b"precious"
    assert not (tmp_path / "file").is_symlink()


def test_reading_is_bounded_and_takes_regular_files_only(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", bytes(100))
    assert read_whole(tmp_path / "file", bytes_max=100) == bytes(100)
    with pytest.raises(HostError, match="larger than the 99 bytes"):
        read_whole(tmp_path / "file", bytes_max=99)
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(HostError, match="not a regular file"):
        read_whole(tmp_path / "pipe", bytes_max=99)
    with pytest.raises(FileNotFoundError):
        read_whole(tmp_path / "missing", bytes_max=99)


def test_an_error_names_the_file(tmp_path: Path) -> None:
    with pytest.raises(HostError, match=r"cannot write .*/missing/file: No such file"):
        write_whole(tmp_path / "missing" / "file", b"")


def test_removing_twice_is_fine(tmp_path: Path) -> None:
    write_whole(tmp_path / "file", b"")
    remove(tmp_path / "file")
    remove(tmp_path / "file")
    assert os.listdir(tmp_path) == []


def test_a_reserve_holds_real_blocks_and_gives_them_up(tmp_path: Path) -> None:
    reserve = Reserve(tmp_path / "reserve", 1_000_000)
    assert not reserve.is_held
    assert reserve.hold()
    assert reserve.hold()
    assert (tmp_path / "reserve").stat().st_blocks * 512 >= 1_000_000
    assert reserve.give_up()
    assert not reserve.give_up()
    assert os.listdir(tmp_path) == []
