"""A lab's directory lies where everybody may write, and what is in it runs as root."""

import os
from pathlib import Path

import pytest

from limpet_lab import LabError
from limpet_lab.place import Place, private

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="gives files away, which needs root")


@needs_root
def test_a_new_directory_is_roots_alone(tmp_path: Path) -> None:
    made = private(tmp_path / "a/b")
    assert made.stat().st_mode & 0o777 == 0o700


@needs_root
@pytest.mark.parametrize("which", ["a", "a/b"])
def test_a_directory_of_somebody_else_is_refused(tmp_path: Path, which: str) -> None:
    private(tmp_path / "a/b")
    os.chown(tmp_path / which, 65534, 65534)
    with pytest.raises(LabError, match=f"{which} is not root's alone"):
        private(tmp_path / "a/b")


@needs_root
def test_a_directory_that_others_may_write_to_is_refused(tmp_path: Path) -> None:
    private(tmp_path / "a")
    (tmp_path / "a").chmod(0o777)
    with pytest.raises(LabError):
        private(tmp_path / "a")


def test_two_directories_have_two_names() -> None:
    one, two = Place(Path("/var/tmp/one")), Place(Path("/var/tmp/two"))
    assert one.name != two.name
    assert one.name_of("web1").startswith(one.name)
