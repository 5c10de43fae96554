"""The minion as a service: what it tells systemd, what SIGHUP does to it, what its metrics show."""

import os
import signal
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from support.hosts.service_manager import ServiceManager
from support.master.fleet import Fleet, Node, free_port_pair, wait_until
from support.pages.metrics_page import Metric, documented, parse, row_of


@pytest.fixture
def manager() -> Iterator[ServiceManager]:
    with ServiceManager() as made:
        yield made


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    with Fleet(tmp_path) as made:
        made.start_master()
        yield made


@pytest.fixture
def node(fleet: Fleet, manager: ServiceManager) -> Node:
    made = fleet.add_minion("web1", starts=False)
    made.environment |= manager.environment | {"WATCHDOG_USEC": "4000000"}
    made.start()
    manager.wait_for(STATUS="ready: session with")
    return made


def configure(node: Node, text: str) -> None:
    path = node.root / "minion.d" / "test.yaml"
    path.parent.mkdir(exist_ok=True)
    path.write_text(text)


def reload(node: Node, manager: ServiceManager) -> None:
    manager.hear()
    manager.said.clear()
    node.signal(signal.SIGHUP)
    manager.wait_for(RELOADING="1")
    manager.wait_for(READY="1")


def status(node: Node) -> dict[str, object]:
    found: dict[str, object] = msgspec.json.decode(
        (node.root / "run" / "minion-status.json").read_bytes()
    )
    return found


def scrape(port: int) -> dict[str, Metric]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        return parse(answer.read())


def _is_served(port: int) -> bool:
    try:
        return bool(scrape(port))
    except OSError:
        return False


def test_systemd_hears_how_the_link_is_and_is_fed(
    fleet: Fleet, node: Node, manager: ServiceManager
) -> None:
    manager.wait_for(WATCHDOG="1", within_s=2.5)
    manager.wait_for(WATCHDOG="1", within_s=2.5)
    fleet.master.kill()
    manager.wait_for(STATUS="backoff: ")
    fleet.start_master()
    manager.wait_for(STATUS="ready: session with")
    assert node.stop() == 0
    manager.wait_for(STOPPING="1")


def test_a_changed_configuration_starts_it_afresh_under_its_pid_and_jobs_go_on(
    fleet: Fleet, node: Node, manager: ServiceManager
) -> None:
    marks = fleet.folder / "marks"
    with fleet.following("run", "web1", "cmd.run", f"sleep 3; echo ran >>{marks}") as command:
        wait_until("the job runs", lambda: status(node)["figures"]["jobs_running"] == 1)  # type: ignore[index]
        configure(node, "refuse: ['grains.*']\nlog_level: debug\n")
        pid = node.pid
        reload(node, manager)
        assert "STOPPING" not in {name for each in manager.said for name in each}
        manager.wait_for(STATUS="ready: session with", within_s=10)
        assert command.wait(30) == 0
    assert marks.read_text() == "ran\n"
    assert node.is_running
    assert status(node)["pid"] == pid
    assert b"limpet.minion.process.loop" in Path(f"/proc/{pid}/cmdline").read_bytes()
    _, results = fleet.run_json("web1", "grains.items")
    assert results["web1"]["status"] == "refused", results
    assert "is refused by this minion" in results["web1"]["error"]
    assert "DEBUG" in node.log()


def test_a_broken_configuration_changes_nothing_and_is_shown_until_it_is_mended(
    fleet: Fleet, node: Node, manager: ServiceManager
) -> None:
    configure(node, "jobs_at_onse: 3\n")
    reload(node, manager)
    assert fleet.answering() == {"web1"}
    assert "unknown key 'jobs_at_onse'" in node.log()
    wait_until(
        "the status says so",
        lambda: "unknown key 'jobs_at_onse'" in str(status(node)["configuration"]),
    )
    configure(node, "{}\n")
    reload(node, manager)
    wait_until("the status is well", lambda: status(node)["configuration"] == "")
    assert "the grains are collected anew" in node.log()
    assert "starts itself afresh" not in node.log()


@pytest.mark.covers("K7")
def test_metrics_are_served_as_documented_and_the_link_stays_small(
    fleet: Fleet, node: Node, manager: ServiceManager
) -> None:
    before = _memory_bytes(node.pid)
    port, _ = free_port_pair()
    configure(node, f"metrics_listen: 127.0.0.1:{port}\n")
    reload(node, manager)
    manager.wait_for(STATUS="ready: session with", within_s=10)
    wait_until("metrics are served", lambda: _is_served(port))
    assert fleet.run_json("web1", "cmd.run", "true")[0] == 0
    wait_until(
        "the job is counted",
        lambda: scrape(port)["limpet_minion_job_seconds"].value("_count") == 1,
        15.0,
    )

    found = scrape(port)
    page = documented("The minion")
    for name, metric in found.items():
        assert page[name] == row_of(metric), name
    never_yet = {"limpet_minion_losses_total", "limpet_minion_failures_total"}
    assert set(page) - set(found) <= never_yet
    assert found["limpet_minion_ready"].value() == 1
    assert found["limpet_minion_link_state"].value(state="ready") == 1
    assert found["limpet_minion_jobs_total"].value(outcome="ok") == 1
    assert found["process_start_time_seconds"].value() > 1e9
    more = _memory_bytes(node.pid) - before
    assert more < 1.5e6, f"{more} bytes more for metrics"


def _memory_bytes(pid: int) -> int:
    """Give what the process has for itself, in bytes: private and dirty pages."""
    for line in Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
        if line.startswith("Private_Dirty:"):
            return int(line.split()[1]) * 1024
    raise AssertionError("the kernel tells no private memory")


@pytest.mark.skipif(os.geteuid() != 0, reason="mounting over /run needs root")
def test_where_stderr_is_the_journal_records_go_there_with_their_fields(fleet: Fleet) -> None:
    """In a mount namespace of its own, so that this host's journal hears nothing of it."""
    made = fleet.add_minion("web1", starts=False)
    heard = fleet.folder / "heard"
    log = fleet.folder / "web1.log"
    script = (
        "import os, socket, subprocess, sys\n"
        "subprocess.run(['mount', '-t', 'tmpfs', 'none', '/run'], check=True)\n"
        "os.makedirs('/run/systemd/journal')\n"
        "listener = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)\n"
        "listener.bind('/run/systemd/journal/socket')\n"
        "status = os.fstat(2)\n"
        "os.environ['JOURNAL_STREAM'] = f'{status.st_dev}:{status.st_ino}'\n"
        "child = subprocess.Popen(sys.argv[2:])\n"
        "with open(sys.argv[1], 'ab', buffering=0) as heard:\n"
        "    while True:\n"
        "        heard.write(listener.recv(65536) + b'\\n')\n"
    )
    made.start(prefix=("unshare", "-m", "--", "python3", "-c", script, str(heard)))
    fleet.wait_ready(1)
    wait_until("it has told", lambda: heard.exists() and b"READY" in heard.read_bytes().upper())
    records = [
        dict(line.split("=", 1) for line in record.split("\n") if line)
        for record in heard.read_text().split("\n\n")
        if record.strip()
    ]
    (ready,) = [each for each in records if each.get("LIMPET_TOPIC") == "ready"]
    assert ready["SYSLOG_IDENTIFIER"] == "limpet-minion"
    assert (ready["LIMPET_MINION"], ready["PRIORITY"]) == ("web1", "6")
    assert "in a session with the master" in ready["MESSAGE"]
    assert "in a session" not in log.read_text()


def test_wishes_that_come_while_it_starts_afresh_are_heard(
    fleet: Fleet, node: Node, manager: ServiceManager
) -> None:
    pid = node.pid
    for number in range(1, 13):
        configure(node, f"jobs_at_once: {number}\n")
        node.signal(signal.SIGHUP)
        time.sleep(0.3)
    configure(node, "refuse: ['grains.*']\n")
    node.signal(signal.SIGHUP)

    def is_refused() -> bool:
        done = fleet.run_json("--timeout", "5", "web1", "grains.get", "os")[1]
        return bool(done) and done["web1"]["status"] == "refused"

    wait_until("the last configuration is in force", is_refused, 30.0)
    assert node.is_running
    assert status(node)["pid"] == pid
