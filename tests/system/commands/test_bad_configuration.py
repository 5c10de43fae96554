"""Bad configuration as users meet it: exit code 2, one message with its place, no traceback."""

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from support.master.fleet import Fleet, Node, wait_until

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="giving files away needs root")


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(tmp_path) as made:
        yield made


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> str:
    """Give a join string of a master that has been there."""
    with Fleet(tmp_path_factory.mktemp("once")) as made:
        made.start_master()
        return made.make_token()


def refused(node: Node, *expected: str, within_s: float = 45.0) -> str:
    """Start a node's process in the foreground and insist on how it refuses."""
    ended = subprocess.run(
        node.program,
        capture_output=True,
        text=True,
        timeout=within_s,
        check=False,
        env=node.environment,
    )
    assert ended.returncode == 2, ended.stderr
    assert "Traceback" not in ended.stderr
    complaints = [line for line in ended.stderr.splitlines() if line.startswith("limpet: ")]
    assert len(complaints) == 1, ended.stderr
    for part in expected:
        assert part in complaints[0]
    return complaints[0]


def minion_with(fleet: Fleet, text: str) -> Node:
    node = Node(fleet, "web1", ["minion"])
    (node.root / "minion.yaml").write_text(text)
    (node.root / "minion.yaml").chmod(0o600)
    return node


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("id: web1\nmastr: 127.0.0.1\n", 2, "master"),
        ("id: web1\nmaster: 127.0.0.1\njobs_at_once: many\n", 3, "jobs_at_once"),
        ("id: web1\nmaster: 127.0.0.1\nlog_level: loud\n", 3, "log_level"),
        ("id: web1\nmaster: [127.0.0.1\n", 3, ""),
        ("id: web1\n\tmaster: x\n", 2, ""),
        ("id: web1\nmaster: 127.0.0.1\nid: web2\n", 3, "id"),
        ("id: 'web 1'\nmaster: 127.0.0.1\n", 1, "web 1"),
        ("id: web1\nmaster: 127.0.0.1:99999\n", 2, "99999"),
        ("id: web1\nmaster: 127.0.0.1\nenrol_port: 99999\n", 3, "enrol_port"),
        ("id: web1\nmaster: 127.0.0.1\njoin: limpet-join-1.nonsense\n", 3, "join"),
        ("- id\n- web1\n", 1, ""),
    ],
)
@pytest.mark.covers("J6")
def test_a_mistake_in_the_minions_file_is_named_with_its_line(
    fleet: Fleet, text: str, line: int, expected: str
) -> None:
    node = minion_with(fleet, text)
    refused(node, f"minion.yaml:{line}", expected)


@pytest.mark.parametrize(
    ("text", "line", "expected"),
    [
        ("prot: 4506\n", 1, "port"),
        ("port: many\n", 1, "port"),
        ("listen: 127.0.0.1\nport: [\n", 3, ""),
        ("listen: not-an-address\n", 1, "not-an-address"),
        ("history_days: -1\n", 1, "history_days"),
        ("return_bytes_max: lots\n", 1, "return_bytes_max"),
        ("nodegroups:\n  db: db*\n  web: 'web* and ('\n", 3, "web"),
        ("nodegroups:\n  web: N@nobody\n", 2, "nobody"),
    ],
)
@pytest.mark.covers("J6", "G5")
def test_a_mistake_in_the_masters_file_is_named_with_its_line(
    fleet: Fleet, text: str, line: int, expected: str
) -> None:
    (fleet.master.root / "master.yaml").write_text(text)
    refused(fleet.master, f"master.yaml:{line}", expected)


def test_a_port_in_use_is_named_with_the_line_that_chose_it(fleet: Fleet, tmp_path: Path) -> None:
    fleet.start_master()
    second = Node(fleet, "second", ["master"])
    (second.root / "master.yaml").write_text(
        f"listen: 127.0.0.1\nport: {fleet.port}\nenrol_port: {fleet.enrol_port}\n"
    )
    refused(second, str(fleet.port), "in use")


@pytest.mark.parametrize("name", ["minion.yaml", "state/minion/keys/minion.secret"])
@needs_root
def test_a_file_that_is_somebody_elses_is_named(fleet: Fleet, key: str, name: str) -> None:
    """Root may read everything: what counts is that others could have written it."""
    node = minion_with(fleet, f"id: web1\nmaster: 127.0.0.1:9\njoin: {key}\n")
    if name != "minion.yaml":
        node.start()
        wait_until("it has made its keys", (node.root / name).exists)
        node.kill_tree()
    os.chown(node.root / name, 12345, 12345)
    os.chmod(node.root / name, 0o666)
    refused(node, name.rpartition("/")[2])


@needs_root
def test_a_root_that_is_somebody_elses_is_named(fleet: Fleet, key: str) -> None:
    node = minion_with(fleet, f"id: web1\nmaster: 127.0.0.1:9\njoin: {key}\n")
    os.chown(node.root, 12345, 12345)
    refused(node, str(node.root))
    os.chown(fleet.master.root, 12345, 12345)
    refused(fleet.master, str(fleet.master.root))


@needs_root
@pytest.mark.parametrize("role", ["master", "minion"])
def test_a_key_file_that_cannot_be_read_is_named(fleet: Fleet, key: str, role: str) -> None:
    node = fleet.master
    if role == "minion":
        node = minion_with(fleet, f"id: web1\nmaster: 127.0.0.1:9\njoin: {key}\n")
    keys = node.root / "state" / role / "keys"
    keys.mkdir(mode=0o700, parents=True)
    for path in (node.root / "state", node.root / "state" / role):
        path.chmod(0o700)
    for name in (f"{role}.secret", f"{role}.secret.copy"):
        (keys / name).mkdir()
    refused(node, str(keys / role))
