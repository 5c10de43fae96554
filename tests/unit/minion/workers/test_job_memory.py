"""When a job's memory is looked at, what counts as its own, and what the kernel's kills say."""

import os
from pathlib import Path

import pytest

from limpet.common.service.systemd import groups
from limpet.common.service.systemd.groups import MemoryGroup
from limpet.minion.workers import job_memory, process_table
from limpet.minion.workers.job_memory import Held, MemoryWatch, Witness

MIB = 1024 * 1024


class _Group(MemoryGroup):
    """A group whose numbers a test sets."""

    def __init__(self, limit_bytes: int) -> None:
        super().__init__("", "")
        self.limit = limit_bytes
        self.killed = 7
        self.hit = 7

    @property
    def limit_bytes(self) -> int:
        return self.limit

    def kills(self) -> int:
        return self.killed

    def limit_hits(self) -> int:
        return self.hit


@pytest.fixture(name="held")
def _held(monkeypatch: pytest.MonkeyPatch) -> list[Held]:
    """Give a list whose last entry is what the processes hold; shares are half of it."""
    now = [Held(0, 0)]
    monkeypatch.setattr(job_memory, "held_by", lambda tree: now[-1])
    monkeypatch.setattr(
        job_memory, "held_by_share", lambda tree, quick: Held(quick.own // 2, quick.shared // 2)
    )
    monkeypatch.setattr(job_memory, "shared_on_host", lambda: 0)
    return now


@pytest.mark.parametrize(
    ("room", "cost_s", "is_growing", "processors", "pause"),
    [
        (1024 * MIB, 0.0, False, 1, 0.25),
        (1024 * MIB, 0.0, False, 4, 0.0625),
        (64 * 1024 * MIB, 0.0, False, 1, 1.0),
        (MIB, 0.0, False, 1, 0.005),
        (-MIB, 0.0, True, 1, 0.005),
        (MIB, 0.01, False, 1, 0.25),  # 4% of a processor
        (MIB, 0.01, True, 1, 0.04),
        (MIB, 1.0, False, 1, 1.0),
    ],
)
def test_the_less_room_there_is_the_sooner_is_the_next_look_but_looking_is_no_work(
    room: int, cost_s: float, is_growing: bool, processors: int, pause: float
) -> None:
    given = job_memory.pause_s(room, cost_s, is_growing=is_growing, processors=processors)
    assert given == pytest.approx(pause)


def test_where_the_kernel_keeps_the_limit_a_look_a_second_will_do(held: list[Held]) -> None:
    held.append(Held(99 * MIB, 0))
    kept = MemoryWatch(os.getpid(), 100 * MIB, _Group(100 * MIB))
    higher = MemoryWatch(os.getpid(), 100 * MIB, _Group(200 * MIB))
    assert not kept.is_over()
    assert not higher.is_over()

    assert kept.next_look_s - higher.next_look_s > 0.5


def test_only_what_is_over_by_its_share_is_over(held: list[Held]) -> None:
    watch = MemoryWatch(os.getpid(), 100 * MIB, None)
    held.append(Held(150 * MIB, 40 * MIB))  # half of it is shared
    assert not watch.is_over()
    held.append(Held(150 * MIB, 60 * MIB))
    assert watch.is_over()


def test_this_process_holds_something_and_less_by_its_share() -> None:
    own = process_table.look(os.getpid())
    assert own is not None
    quick = job_memory.held_by([own])
    exact = job_memory.held_by_share([own], quick)

    assert quick.own > MIB
    assert 0 < exact.own <= quick.own * 1.1
    gone = own._replace(pid=0)
    assert job_memory.held_by([gone]) == job_memory.held_by_share([gone], Held(1, 1)) == Held(0, 0)


def test_what_is_open_in_memory_counts_only_where_the_host_has_more_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = [100 * MIB]
    monkeypatch.setattr(job_memory, "shared_on_host", lambda: host[0])
    own = process_table.look(os.getpid())
    assert own is not None
    files = job_memory.FilesInMemory(0.0)
    descriptor = os.memfd_create("test")
    try:
        os.write(descriptor, bytes(2 * MIB))
        assert files.count([own], MIB) == 0
        host[0] += 50 * MIB
        assert files.count([own], MIB) >= 2 * MIB
        host[0] = 101 * MIB  # others gave some back
        assert files.count([own], MIB) == MIB
    finally:
        os.close(descriptor)
    assert job_memory.FilesInMemory(2e10).count([own], 0) == 0  # of before the job


def test_the_kernels_kills_in_the_scope_are_the_jobs_and_those_of_the_host_perhaps(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    host = [3]
    monkeypatch.setattr(groups, "kills_on_host", lambda: host[0])
    group = _Group(200 * MIB)
    witness, blind = Witness(group), Witness(None)
    assert (witness.words(), blind.words()) == ("", "")

    host[0] += 2
    perhaps = "the kernel ended 2 processes of this host for want of memory meanwhile"
    assert (witness.words(), blind.words()) == (perhaps, perhaps)
    group.killed += 1
    surely = "the kernel ended 1 of its processes for want of memory"
    assert witness.words() == surely
    group.hit += 1
    assert witness.words() == f"{surely}, at the job's limit of 200 MiB"


@pytest.mark.parametrize(
    ("text", "name", "value", "limit"),
    [
        ("0::/a.slice/b.service\n", "a.slice/memory.max", "1048576\n", 1048576),
        ("0::/a.slice/b.service\n", "memory.max", "2097152\n", 2097152),
        ("0::/a.slice/b.service\n", "memory.max", "max\n", 0),
        ("4:memory:/docker/x\n0::/\n", "memory/docker/memory.limit_in_bytes", "4096\n", 4096),
        ("4:memory:/\n0::/\n", "memory/memory.limit_in_bytes", "9223372036854771712\n", 0),
        ("", "memory.max", "nonsense\n", 0),
    ],
)
def test_a_container_has_what_its_groups_leave_it(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    text: str,
    name: str,
    value: str,
    limit: int,
) -> None:
    monkeypatch.setattr(groups, "read", lambda: text)
    monkeypatch.setattr(groups, "MOUNTED", tmp_path)
    (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
    (tmp_path / name).write_text(value)

    assert job_memory.limit_of_host() == (limit or process_table.memory_of_host())
