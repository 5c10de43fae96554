"""The master as a service: what it tells systemd, what SIGHUP changes, what it shows in metrics."""

import shutil
import signal
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from limpet.master.client import Client
from limpet.states.ports.served import Question
from support.hosts.service_manager import ServiceManager
from support.master.fleet import Fleet, free_port_pair, wait_until
from support.master.pulling import Pulling, roots_of, socket_of
from support.pages.metrics_page import Metric, documented, parse, row_of

MIB = 1024 * 1024


@pytest.fixture
def manager() -> Iterator[ServiceManager]:
    with ServiceManager() as made:
        yield made


@pytest.fixture
def fleet(tmp_path: Path, manager: ServiceManager) -> Iterator[Fleet]:
    with Fleet(tmp_path) as made:
        made.master.environment |= manager.environment | {"WATCHDOG_USEC": "4000000"}
        roots_of(made)
        made.start_master()
        yield made


def configure(fleet: Fleet, text: str) -> None:
    """Put text behind what the master was started with."""
    path = fleet.master.root / "master.yaml"
    kept = fleet.folder / "started.yaml"
    if not kept.exists():
        shutil.copy(path, kept)
    path.write_text(kept.read_text() + text)


def reload(fleet: Fleet, manager: ServiceManager) -> str:
    """Reload, and give the line that systemd is told at its end."""
    fleet.master.signal(signal.SIGHUP)
    manager.wait_for(RELOADING="1")
    return manager.wait_for(READY="1")["STATUS"]


def problems(fleet: Fleet) -> tuple[str, ...]:
    with Client(str(fleet.master.root)) as client:
        return client.status().problems


def scrape(port: int) -> dict[str, Metric]:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=5) as answer:
        assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
        return parse(answer.read())


def test_systemd_hears_of_each_step_and_is_fed_in_its_time(
    fleet: Fleet, manager: ServiceManager
) -> None:
    manager.wait_for(EXTEND_TIMEOUT_USEC="")
    ready = manager.wait_for(READY="1")
    assert ready["STATUS"] == f"0 of 0 minions are ready, port {fleet.port}"
    manager.wait_for(WATCHDOG="1", within_s=2.5)
    manager.wait_for(WATCHDOG="1", within_s=2.5)
    fleet.add_minion("web1")
    manager.wait_for(STATUS=f"1 of 1 minions are ready, port {fleet.port}")
    fleet.master.signal(signal.SIGHUP)
    reloading = manager.wait_for(RELOADING="1")
    assert int(reloading["MONOTONIC_USEC"]) > 0
    assert "1 of 1 minions" in manager.wait_for(READY="1")["STATUS"]
    assert fleet.master.stop() == 0
    manager.wait_for(STOPPING="1")


def test_a_hung_loop_feeds_nobody(fleet: Fleet, manager: ServiceManager) -> None:
    manager.wait_for(WATCHDOG="1")
    fleet.master.signal(signal.SIGSTOP)
    manager.hear(0.5)
    manager.said.clear()
    manager.hear(2.5)
    assert manager.said == []
    fleet.master.signal(signal.SIGCONT)
    manager.wait_for(WATCHDOG="1")


def test_a_reload_takes_over_what_can_change_and_names_what_can_not(
    fleet: Fleet, manager: ServiceManager
) -> None:
    fleet.add_minion("web1")
    fleet.wait_ready(1)
    more = fleet.folder / "more"
    more.mkdir()
    (more / "only-there").write_text("x")

    configure(
        fleet,
        f"  dev: [{more}]\nnodegroups: {{shop: 'web*'}}\nlog_level: debug\n"
        "history_jobs: 5\njob_timeout: 1m\nuser_group: nogroup\nfile_server_at_once: 2\n",
    )
    reload(fleet, manager)

    assert "web1" in fleet.limpet("minions", "-N", "shop").stdout
    _, results = fleet.run_json("web1", "cp.list_states", "saltenv=dev")
    assert results["web1"]["status"] == "ok", results
    _, results = fleet.run_json("web1", "cp.hash_file", "salt://only-there?saltenv=dev")
    assert results["web1"]["return"], results
    assert "event job/" in fleet.master.log()  # debug
    said = "`file_server_at_once`, `user_group` have changed in the configuration"
    assert f"{said}: this needs a restart of the master" in fleet.master.log()
    assert problems(fleet) == (f"{said}: restart the master to put it in force",)


def test_a_broken_file_changes_nothing_and_is_a_problem_until_it_is_mended(
    fleet: Fleet, manager: ServiceManager
) -> None:
    configure(fleet, "nodegroups: {shop: 'web*'}\n")
    reload(fleet, manager)
    configure(fleet, "prot: 4506\n")
    line = reload(fleet, manager)

    (problem,) = problems(fleet)
    assert "the configuration is not taken over" in problem
    assert "unknown key 'prot'; did you mean 'port'?" in problem
    assert fleet.limpet("minions", "-N", "shop").returncode == 3  # known, and without minions
    assert problem in line

    configure(fleet, "")
    reload(fleet, manager)
    assert problems(fleet) == ()
    assert fleet.limpet("minions", "-N", "shop").returncode == 2


def test_roots_are_exchanged_in_the_middle_of_a_transfer_which_goes_on(
    fleet: Fleet, manager: ServiceManager
) -> None:
    states = fleet.folder / "states"
    (states / "big").write_bytes(bytes(range(256)) * (32 * MIB // 256))
    node = fleet.add_minion("web1")
    fleet.wait_ready(1)
    pulling = Pulling(socket_of(node), Question("file", "base", "big"), pause_s=0.02)
    pulling.start()
    pulling.wait_at(4 * MIB)
    other = fleet.folder / "other"
    other.mkdir()
    path = fleet.master.root / "master.yaml"
    path.write_text(path.read_text().replace(str(states), str(other)))

    reload(fleet, manager)

    assert pulling.offset < pulling.size
    pulling.finish()
    assert pulling.problem is None
    assert pulling.offset == 32 * MIB
    _, results = fleet.run_json("web1", "cp.list_master")
    assert results["web1"]["return"] == []


@pytest.mark.covers("K7")
def test_metrics_are_served_after_a_reload_as_documented_and_follow_what_happens(
    fleet: Fleet, manager: ServiceManager
) -> None:
    port, other = free_port_pair()
    configure(fleet, f"metrics_listen: 127.0.0.1:{port}\n")
    reload(fleet, manager)
    wait_until("metrics are served", lambda: "metrics are served at" in fleet.master.log())
    wait_until("there is a page", lambda: _is_served(port))
    fleet.add_minion("web1")
    fleet.wait_ready(1)
    assert fleet.run_json("web1", "test.ping")[0] == 0

    wait_until("the job is counted", lambda: _results(port).get("ok") == 1.0, 15.0)
    found = scrape(port)
    page = documented("The master")
    for name, metric in found.items():
        assert page[name] == row_of(metric), name
    never_yet = {"limpet_master_losses_total", "limpet_master_rejected_total"}
    assert set(page) - set(found) <= never_yet
    assert found["limpet_master_minions"].value(state="ready") == 1
    assert found["limpet_master_return_seconds"].value("_count") == 1
    assert found["limpet_master_store_commit_seconds"].value("_count") > 0
    assert found["process_open_fds"].value() > 10

    configure(fleet, f"metrics_listen: 127.0.0.1:{other}\n")
    reload(fleet, manager)
    wait_until("metrics have moved", lambda: _is_served(other))
    assert not _is_served(port)
    configure(fleet, "")
    reload(fleet, manager)
    wait_until("metrics are served no more", lambda: not _is_served(other))


def _is_served(port: int) -> bool:
    try:
        return bool(scrape(port))
    except OSError:
        return False


def _results(port: int) -> dict[str, float]:
    metric = scrape(port).get("limpet_master_results_total")
    if metric is None:
        return {}
    return {dict(labels)["status"]: value for (_, labels), value in metric.samples.items()}
