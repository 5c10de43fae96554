"""Which unit a process is in, and what its control group tells, on every kind of tree."""

from pathlib import Path

import pytest

from limpet.common.service.systemd import groups
from limpet.common.service.systemd.groups import MemoryGroup

UNIFIED = "0::{}\n"
HYBRID = "9:name=systemd:{0}\n4:memory:/\n2:cpu,cpuacct:/\n0::{0}\n"
OLDER = "9:name=systemd:{0}\n4:memory:{0}\n2:cpu,cpuacct:/\n"


@pytest.mark.parametrize("form", [UNIFIED, HYBRID, OLDER])
@pytest.mark.parametrize(
    ("path", "is_service"),
    [
        ("/system.slice/limpet-minion.service", True),
        ("/limpet-minion.service", True),
        ("/system.slice/system-limpet.slice/limpet@web1.service", True),
        ("/", False),
        ("/..", False),
        ("/init.scope", False),
        ("/user.slice/user-0.slice/session-3.scope", False),
        ("/user.slice/user-0.slice/user@0.service/app.slice/limpet.service", False),
        ("/system.slice/docker-0123.scope", False),
        ("/machine.slice/machine-web1.scope/payload/system.slice/limpet-minion.service", False),
        ("/system.slice/limpet-minion.service/inner", False),
        ("", False),
    ],
)
def test_only_a_unit_of_the_systems_own_manager_counts(
    form: str, path: str, is_service: bool
) -> None:
    assert groups.is_system_service(form.format(path)) is is_service


def test_nothing_is_inside_of_what_cannot_be_read(tmp_path: Path) -> None:
    text = groups.read(1, proc=tmp_path)

    assert text == ""
    assert not groups.is_system_service(text)
    assert not groups.is_inside("a.scope", text)


@pytest.mark.parametrize("form", [UNIFIED, HYBRID, OLDER])
def test_a_process_is_inside_of_its_unit_and_of_no_other(form: str) -> None:
    text = form.format("/limpet.slice/limpet-jobs.slice/limpet-job-x.scope")

    assert groups.is_inside("limpet-job-x.scope", text)
    assert groups.is_inside("limpet-jobs.slice", text)
    assert not groups.is_inside("limpet-job-x", text)
    assert not groups.is_inside("limpet-job-y.scope", text)


def test_the_unified_tree_tells_limit_kills_and_hits(tmp_path: Path) -> None:
    place = tmp_path / "a.slice" / "b.scope"
    place.mkdir(parents=True)
    (place / "memory.max").write_text("104857600\n")
    (place / "memory.events").write_text("low 0\nhigh 0\nmax 9\noom 2\noom_kill 1\n")
    group = MemoryGroup("b.scope", UNIFIED.format("/a.slice/b.scope"), mounted=tmp_path)

    assert (group.limit_bytes, group.kills(), group.limit_hits()) == (104857600, 1, 2)
    (place / "memory.max").write_text("max\n")
    assert group.limit_bytes == 0


def test_the_older_tree_tells_limit_and_kills(tmp_path: Path) -> None:
    place = tmp_path / "memory" / "a.slice" / "b.scope"
    place.mkdir(parents=True)
    (place / "memory.limit_in_bytes").write_text("104857600\n")
    (place / "memory.oom_control").write_text("oom_kill_disable 0\nunder_oom 0\noom_kill 3\n")
    group = MemoryGroup("b.scope", OLDER.format("/a.slice/b.scope"), mounted=tmp_path)

    assert (group.limit_bytes, group.kills(), group.limit_hits()) == (104857600, 3, 0)
    (place / "memory.limit_in_bytes").write_text("9223372036854771712\n")
    assert group.limit_bytes == 0


@pytest.mark.parametrize("unit", ["", "other.scope"])
def test_a_group_of_somebody_else_is_not_asked(tmp_path: Path, unit: str) -> None:
    (tmp_path / "memory.events").write_text("oom_kill 3\n")
    group = MemoryGroup(unit, HYBRID.format("/a.slice/b.scope"), mounted=tmp_path)

    assert (group.limit_bytes, group.kills(), group.limit_hits()) == (0, 0, 0)


def test_without_a_controller_nothing_is_known(tmp_path: Path) -> None:
    group = MemoryGroup("b.scope", HYBRID.format("/a.slice/b.scope"), mounted=tmp_path)

    assert (group.limit_bytes, group.kills(), group.limit_hits()) == (0, 0, 0)


def test_the_hosts_kills_are_counted(tmp_path: Path) -> None:
    assert groups.kills_on_host(proc=tmp_path) == 0
    (tmp_path / "vmstat").write_text("oom_kill_x 5\noom_kill 2\nodd line here\n")
    assert groups.kills_on_host(proc=tmp_path) == 2
