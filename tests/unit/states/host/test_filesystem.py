"""Placing files where other users of the machine may have laid something in the way."""

import os
from pathlib import Path

import pytest

from limpet.common.errors import HostError
from limpet.states.host.filesystem import LocalFileSystem

STICKY = 0o1777
SOMEBODY = 12345


def shared(tmp_path: Path) -> Path:
    """Give a directory as /tmp is one."""
    folder = tmp_path / "shared"
    folder.mkdir()
    folder.chmod(STICKY)
    return folder


def planted(link: Path, target: Path, uid: int = SOMEBODY) -> None:
    link.symlink_to(target)
    os.chown(link, uid, uid, follow_symlinks=False)


def test_what_a_link_leads_to_is_written_and_the_link_stays(tmp_path: Path) -> None:
    target, link = tmp_path / "target", tmp_path / "link"
    target.write_text("before")
    link.symlink_to("target")
    LocalFileSystem().place(str(link), b"after", mode=None)
    assert link.is_symlink()
    assert target.read_text() == "after"


def test_a_link_may_lead_to_what_is_not_there_yet(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to("new")
    LocalFileSystem().place(str(tmp_path / "link"), b"after", mode=None)
    assert (tmp_path / "new").read_text() == "after"


@pytest.mark.covers("B-49")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can plant another user's link")
def test_a_link_that_another_user_left_in_a_shared_directory_is_not_followed(
    tmp_path: Path,
) -> None:
    precious = tmp_path / "shadow"
    precious.write_text("precious")
    planted(shared(tmp_path) / "report", precious)
    with pytest.raises(HostError, match=r"report: .* link of another user .*remove it"):
        LocalFileSystem().place(str(tmp_path / "shared" / "report"), b"x", mode=0o644)
    assert precious.read_text() == "precious"


@pytest.mark.covers("B-49")
@pytest.mark.skipif(os.geteuid() != 0, reason="only root can plant another user's link")
def test_nor_is_it_followed_behind_a_link_of_ones_own(tmp_path: Path) -> None:
    precious = tmp_path / "shadow"
    precious.write_text("precious")
    planted(shared(tmp_path) / "report", precious)
    (tmp_path / "own").symlink_to("shared/report")
    with pytest.raises(HostError, match="link of another user"):
        LocalFileSystem().place(str(tmp_path / "own"), b"x", mode=0o644)
    assert precious.read_text() == "precious"


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can plant another user's link")
def test_a_link_of_the_directorys_own_user_or_of_root_is_followed(tmp_path: Path) -> None:
    folder = shared(tmp_path)
    os.chown(folder, SOMEBODY, SOMEBODY)
    planted(folder / "theirs", tmp_path / "theirs")
    planted(folder / "ours", tmp_path / "ours", 0)
    for name in ("theirs", "ours"):
        LocalFileSystem().place(str(folder / name), b"x", mode=0o644)
        assert (tmp_path / name).read_bytes() == b"x"


def test_links_that_lead_in_a_circle_are_an_error(tmp_path: Path) -> None:
    (tmp_path / "one").symlink_to("two")
    (tmp_path / "two").symlink_to("one")
    with pytest.raises(HostError, match=r"cannot write .*one"):
        LocalFileSystem().place(str(tmp_path / "one"), b"x", mode=0o644)


def test_a_directory_that_another_made_meanwhile_is_as_good_and_stays(tmp_path: Path) -> None:
    files = LocalFileSystem()
    path = tmp_path / "made"
    path.mkdir()
    path.chmod(0o711)
    files.make_directory(str(path), 0o755)
    assert path.stat().st_mode & 0o777 == 0o711


@pytest.mark.parametrize("kind", ["file", "link"])
def test_a_file_or_link_where_a_directory_should_be_made_is_an_error(
    tmp_path: Path, kind: str
) -> None:
    path = tmp_path / "taken"
    if kind == "file":
        path.touch()
    else:
        path.symlink_to(tmp_path)
    with pytest.raises(HostError, match="cannot make the directory"):
        LocalFileSystem().make_directory(str(path), 0o755)
