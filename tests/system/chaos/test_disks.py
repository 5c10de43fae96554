"""Full, read-only and damaged disks on either side: the link stays, the reason is told."""

import random
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from conftest import Tell

from limpet import Client
from limpet.common.errors import LimpetError
from support.hostile.chaos import ROUNDS, client_of, entry, runs, wait_all_answer
from support.hostile.small_disk import SmallDisk, needs_root
from support.master.fleet import Fleet, wait_until

pytestmark = [pytest.mark.xdist_group("disks"), pytest.mark.timeout(120 + 120 * ROUNDS)]
RESUMES_S_MAX = 10.0 * 2
LARGE = "x" * 100_000


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(tmp_path) as made:
        yield made


@pytest.fixture
def client(fleet: Fleet) -> Iterator[Client]:
    with client_of(fleet) as made:
        yield made


def row_of(client: Client, name: str) -> tuple[str, str]:
    """Give state and condition of a minion as the master knows them."""
    return {row.minion: (row.state, row.condition) for row in client.minions()}[name]


def refusal(client: Client, command: str) -> str:
    """Run a command on web1; gives why it was refused, empty if it ran well."""
    answer = client.run("web1", "cmd.run", command, timeout_s=30).minions["web1"]
    assert answer.status in ("ok", "refused"), (answer.status, answer.error)
    return answer.error


@needs_root
@pytest.mark.covers("I1", "I15")
def test_a_minion_with_a_full_disk_stays_ready_refuses_with_the_reason_and_resumes(
    fleet: Fleet, client: Client, tell: Tell
) -> None:
    fleet.start_master()
    node = fleet.add_minion("web1", starts=False)
    disk = SmallDisk(node.root / "state", "12m")
    try:
        node.start()
        fleet.wait_ready(1)
        assert client.run("web1", "cmd.run", entry("before")).minions["web1"].status == "ok"
        disk.fill()
        with_zero = client.run("web1", "cmd.run", entry("full", "echo done"), timeout_s=30)
        assert with_zero.minions["web1"].status == "ok", "its own room is set aside"
        taken = 0
        while not (refused := refusal(client, f"true {LARGE}")):
            taken += 1
            assert taken < 500
        assert "disk full" in refused
        wait_until("the condition is shown", lambda: "disk full" in row_of(client, "web1")[1], 20)
        time.sleep(6.0)  # more than one beat
        assert row_of(client, "web1")[0] == "ready"
        assert client.run("web1", "test.ping", timeout_s=10).minions["web1"].status == "ok"
        disk.clear()
        began = time.monotonic()
        wait_until(
            "it takes jobs again",
            lambda: not refusal(client, "true"),
            RESUMES_S_MAX,
        )
        resumed_s = time.monotonic() - began
        wait_until("the condition is gone", lambda: row_of(client, "web1") == ("ready", ""), 20)
        tell(f"full disk of a minion: {taken} jobs taken, then refused; resumed {resumed_s:.2f} s")
        disk.fill()
        node.kill()
        node.start()
        fleet.wait_ready(1)
        assert [runs(node, each) for each in ("before", "full")] == [1, 1]
    finally:
        fleet.close()
        disk.close()


@needs_root
@pytest.mark.covers("I2", "C9")
def test_a_master_with_a_full_disk_keeps_its_links_refuses_with_the_reason_and_resumes(
    fleet: Fleet, client: Client, tell: Tell
) -> None:
    disk = SmallDisk(fleet.master.root / "state", "40m")
    try:
        fleet.start_master()
        node = fleet.add_minion("web1")
        fleet.wait_ready(1)
        running = client.submit("web1", "cmd.run", entry("long", "sleep 3; echo done"))
        refused = ""
        taken = 0
        while "disk" not in refused:
            disk.fill()
            assert taken < 500
            try:
                client.submit("web1", "test.echo", LARGE, timeout_s=20)
                taken += 1
            except LimpetError as error:
                refused = str(error)
        disk.fill()
        since = row_of(client, "web1")
        time.sleep(6.0)
        assert row_of(client, "web1")[0] == since[0] == "ready"
        assert fleet.limpet("run", "web1", "test.ping").returncode not in (0, 2)
        assert "disk" in fleet.limpet("run", "web1", "test.ping").stderr
        assert any("disk" in problem for problem in client.status().problems)
        disk.clear()
        began = time.monotonic()
        wait_until(
            "jobs are taken again",
            lambda: fleet.limpet("run", "web1", "test.ping").returncode == 0,
            RESUMES_S_MAX,
        )
        resumed_s = time.monotonic() - began
        answer = client.wait(running.jid, timeout_s=30).minions["web1"]
        assert (answer.status, answer.value) == ("ok", "done")
        assert runs(node, "long") == 1
        tell(
            f"full disk of the master: {taken} jobs taken, then refused; resumed {resumed_s:.2f} s"
        )
    finally:
        fleet.close()
        disk.close()


@needs_root
def test_a_minion_that_starts_on_a_read_only_disk_says_so_and_comes_once_it_is_writable(
    fleet: Fleet, client: Client
) -> None:
    fleet.start_master()
    node = fleet.add_minion("web1", starts=False)
    disk = SmallDisk(node.root / "state", "12m")
    try:
        node.start()
        fleet.wait_ready(1)
        assert node.stop() == 0
        disk.remount("ro")
        before = len(node.log())
        node.start()
        wait_until("it has ended", lambda: not node.is_running, 20)
        said = node.log()[before:]
        assert len(said.splitlines()) == 1
        assert "Read-only file system" in said
        disk.remount("rw")
        node.start()  # as a service manager does, again and again
        fleet.wait_ready(1)
        assert not refusal(client, entry("again"))
    finally:
        fleet.close()
        disk.close()


def damage(path: Path, how: str, chance: random.Random) -> None:
    """Do to a file what power cuts and bad disks do."""
    data = bytearray(path.read_bytes())
    if how == "empty":
        data = bytearray()
    elif how == "half":
        data = data[: len(data) // 2]
    elif how == "zeros":
        data = bytearray(len(data))
    elif data:
        for _ in range(1 + len(data) // 4096):
            data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)
    path.write_bytes(data)


@pytest.mark.covers("D6", "A7")
@pytest.mark.parametrize("role", ["minion", "master"])
def test_whichever_file_is_damaged_the_fleet_is_ready_after_the_next_start(
    fleet: Fleet, client: Client, tell: Tell, role: str
) -> None:
    fleet.start_master()
    minion = fleet.add_minion("web1")
    fleet.wait_ready(1)
    client.run("web1", "cmd.run", entry("before"))
    client.run("web1", "grains.setval", "role", "web")
    node = minion if role == "minion" else fleet.master
    chance = random.Random(ROUNDS)
    kinds = ("empty", "half", "zeros", "flipped")
    tried = 0
    slowest = 0.0
    names: set[str] = set()
    node.stop()
    good = fleet.folder / "good"
    shutil.copytree(node.root, good, ignore=shutil.ignore_patterns("*.sock"))
    files = sorted(
        path.relative_to(node.root)
        for path in node.root.rglob("*")
        if path.is_file() and not path.name.startswith(NOT_DAMAGED)
    )
    for serial, file in enumerate(files):
        # Each file in one way, all files in all ways over the rounds.
        ways = kinds if ROUNDS > 1 or "journal" in str(file) else (kinds[serial % len(kinds)],)
        for how in ways:
            if not (node.root / file).exists():
                continue  # a result that was acknowledged meanwhile
            damage(node.root / file, how, chance)
            node.start()
            began = time.monotonic()
            wait_all_answer(fleet, 40)
            slowest = max(slowest, time.monotonic() - began)
            names.add(file.name)
            tried += 1
            node.stop()
            shutil.copyfile(good / file, node.root / file)
    assert "Traceback" not in node.log()
    assert tried >= 4
    tell(
        f"{tried} damaged files of the {role} ({', '.join(sorted(names))}): "
        f"READY after {slowest:.2f} s at most"
    )


NOT_DAMAGED = (
    "minion.yaml",
    "master.yaml",
    "ledger",
    "lock",
    "master.db",
    *(() if ROUNDS > 1 else (f"slot-{number}" for number in range(1, 8))),
)
"""What people wrote; what has no content; the database, which is refused with advice; equals."""
