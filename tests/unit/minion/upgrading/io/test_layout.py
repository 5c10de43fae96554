"""Which versions are removed: none that somebody runs, and none where nobody can say."""

from pathlib import Path

import pytest

from limpet.common.errors import HostError
from limpet.minion.upgrading.io.layout import Installation

USED, UNUSED, CURRENT = "1.0-aaaaaaaaaaaa", "1.5-cccccccccccc", "2.0-bbbbbbbbbbbb"


@pytest.fixture
def installation(tmp_path: Path) -> Installation:
    real = tmp_path / "disk/minion"
    for name in (USED, UNUSED, CURRENT):
        (real / "versions" / name).mkdir(parents=True)
    (real / "current").symlink_to(f"versions/{CURRENT}")
    (tmp_path / "opt").symlink_to("disk")  # /opt on another disk: the kernel names the real place
    process = tmp_path / "proc/17"
    process.mkdir(parents=True)
    (process / "exe").symlink_to(real / "versions" / USED / "bin/python3.11")
    (tmp_path / "proc/2").mkdir()  # of the kernel
    return Installation(tmp_path / "opt/minion", tmp_path / "proc")


def test_a_version_that_is_run_stays(installation: Installation) -> None:
    assert installation.running(17) == USED
    assert installation.prune([]) == [UNUSED]
    assert installation.names() == [USED, CURRENT]


def test_all_stay_where_nobody_can_say_what_is_run(
    installation: Installation, tmp_path: Path
) -> None:
    (tmp_path / "proc/3").mkdir()
    (tmp_path / "proc/3/exe").write_text("this can't be read as a link")
    with pytest.raises(HostError, match="proc"):
        installation.in_use()
    assert installation.prune([]) == []
    assert Installation(installation.base, tmp_path / "nowhere").prune([]) == []
