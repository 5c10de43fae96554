import os
from pathlib import Path

from limpet.master.memory import SHARE_MAX, ceiling_bytes, resident_bytes


def _groups(tmp_path: Path, **limits: str) -> tuple[Path, Path]:
    cgroups = tmp_path / "cgroup"
    place = cgroups / "system.slice" / "limpet-master.service"
    place.mkdir(parents=True)
    for name, limit in limits.items():
        folder = place if name == "own" else place.parent
        (folder / "memory.max").write_text(f"{limit}\n")
    own = tmp_path / "own"
    own.write_text("0::/system.slice/limpet-master.service\n")
    return cgroups, own


def test_the_tightest_limit_of_the_control_groups_decides(tmp_path: Path) -> None:
    cgroups, own = _groups(tmp_path, own="200000000", above="100000000")
    assert ceiling_bytes(cgroups, own) == int(100_000_000 * SHARE_MAX)


def test_without_a_limit_the_memory_of_the_host_decides(tmp_path: Path) -> None:
    host = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    cgroups, own = _groups(tmp_path, own="max")
    assert ceiling_bytes(cgroups, own) == int(host * SHARE_MAX)
    assert ceiling_bytes(cgroups, tmp_path / "missing") == int(host * SHARE_MAX)


def test_this_process_occupies_some_memory_but_less_than_the_host_has() -> None:
    assert 1_000_000 < resident_bytes() < ceiling_bytes()
