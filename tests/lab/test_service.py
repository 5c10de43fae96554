"""The services on hosts with a real journal and a real systemd: records, reloads, watchdog."""

import json
import shlex
from typing import Any, Final

import pytest

from limpet_lab import Host
from limpet_lab.fleet import Fleet
from support.hosts.labs import LabOf
from support.master.fleet import wait_until
from support.pages.metrics_page import Metric, documented, parse

MASTER: Final = "limpet-master"
MINION: Final = "limpet-minion"
_FETCH: Final = (
    "import sys, urllib.request; "
    "sys.stdout.write(urllib.request.urlopen(sys.argv[1], timeout=5).read().decode())"
)


@pytest.fixture(scope="module")
def fleet(lab_of: LabOf) -> Fleet:
    return lab_of(1)


def shown(host: Host, unit: str, name: str) -> str:
    return host.exec(["systemctl", "show", "--value", "-p", name, unit]).checked().out.strip()


def records(host: Host, *matches: str) -> list[dict[str, Any]]:
    """Give the records of the journal that match."""
    words = shlex.join(["journalctl", "-o", "json", "--no-pager", *matches])
    lines = host.exec(f"{words} || true").checked().out.splitlines()
    return [json.loads(line) for line in lines if line.startswith("{")]


def reload(host: Host, unit: str, text: str) -> None:
    """Put a drop-in into the configuration and reload the service."""
    role = unit.removeprefix("limpet-")
    group = "limpet" if role == "master" else "root"
    path = f"/etc/limpet/{role}.d/90-test.yaml"
    host.exec(f"mkdir -p /etc/limpet/{role}.d").checked()
    host.write(path, text, 0o640)
    host.exec(["chown", f"root:{group}", path]).checked()
    host.exec(["systemctl", "reload", unit]).checked()
    wait_until("the reload is over", lambda: shown(host, unit, "ActiveState") == "active", 20.0)


def scraped(host: Host, role: str, port: int) -> dict[str, Metric]:
    """Give the metrics as somebody on the host reads them; nothing: they are not served."""
    python = f"/opt/limpet/{role}/current/bin/python3.11"
    done = host.exec([python, "-I", "-c", _FETCH, f"http://127.0.0.1:{port}/metrics"])
    return parse(done.out.encode()) if done.out else {}


def test_the_journal_has_records_with_fields_and_there_are_no_log_files(fleet: Fleet) -> None:
    master, web1 = fleet.lab.master, fleet.lab.host("web1")
    fleet.wait_ready("web1", timeout_s=30)
    (*_, ready) = records(web1, "-u", MINION, "LIMPET_TOPIC=ready")
    assert (ready["LIMPET_MINION"], ready["PRIORITY"]) == ("web1", "6")
    assert ready["SYSLOG_IDENTIFIER"] == MINION
    assert ready["_TRANSPORT"] == "journal"
    assert "in a session with the master" in ready["MESSAGE"]
    events = records(master, "-u", MASTER, "LIMPET_MINION=web1", "LIMPET_EVENT=minion/web1/ready")
    assert events
    assert events[-1]["_TRANSPORT"] == "journal"  # sent from inside the sandbox
    assert records(master, "-t", "limpet-enrol")
    everywhere = master.exec("find /var/log -iname '*limpet*'; find /var/lib/limpet -name '*.log'")
    assert everywhere.out == ""


def test_a_reload_of_the_master_takes_over_what_it_can_and_survives_a_broken_file(
    fleet: Fleet,
) -> None:
    master = fleet.lab.master
    pid = shown(master, MASTER, "MainPID")
    reload(master, MASTER, "nodegroups: {shop: 'web*'}\nmetrics_listen: 127.0.0.1:9406\n")
    assert "web1" in fleet.limpet("minions", "-N", "shop").checked().out
    wait_until("metrics are served", lambda: bool(scraped(master, "master", 9406)), 20.0)
    found = scraped(master, "master", 9406)
    assert set(found) <= set(documented("The master"))
    assert found["limpet_master_minions"].value(state="ready") == 1
    assert found["process_start_time_seconds"].value() > 1e9
    assert "1 of 1 minions are ready" in shown(master, MASTER, "StatusText")

    reload(master, MASTER, "nodegroops: {}\n")
    assert "unknown key 'nodegroops'" in shown(master, MASTER, "StatusText")
    assert "unknown key 'nodegroops'" in fleet.limpet("status").checked().out
    assert "web1" in fleet.limpet("minions", "-N", "shop").checked().out
    reload(master, MASTER, "{}\n")
    assert shown(master, MASTER, "MainPID") == pid


def test_a_reload_of_the_minion_puts_its_configuration_in_force_under_its_pid(
    fleet: Fleet,
) -> None:
    web1 = fleet.lab.host("web1")
    pid = shown(web1, MINION, "MainPID")
    jid = fleet.submit("web1", "cmd.run", "sleep 6; echo done")
    reload(web1, MINION, "metrics_listen: 127.0.0.1:9407\nrefuse: ['status.*']\n")
    fleet.wait_ready("web1", timeout_s=15)
    wait_until("metrics are served", lambda: bool(scraped(web1, "minion", 9407)), 20.0)
    assert set(scraped(web1, "minion", 9407)) <= set(documented("The minion"))
    assert fleet.run("web1", "status.uptime").status("web1") == "refused"
    assert fleet.wait_job(jid, timeout_s=30).value("web1") == "done"

    reload(web1, MINION, "jobs_at_onse: 3\n")
    assert "unknown key 'jobs_at_onse'" in shown(web1, MINION, "StatusText")
    assert fleet.run("web1", "test.ping").status("web1") == "ok"
    reload(web1, MINION, "{}\n")
    fleet.wait_ready("web1", timeout_s=15)
    assert shown(web1, MINION, "MainPID") == pid
    assert shown(web1, MINION, "NRestarts") == "0"


@pytest.mark.parametrize("unit", [MASTER, MINION])
def test_a_short_watchdog_is_fed_by_a_loop_that_turns_and_ends_one_that_does_not(
    fleet: Fleet, unit: str
) -> None:
    host = fleet.lab.master if unit == MASTER else fleet.lab.host("web1")
    place = f"/run/systemd/system/{unit}.service.d"
    host.exec(f"mkdir -p {place}").checked()
    host.write(f"{place}/watchdog.conf", "[Service]\nWatchdogSec=6\n")
    host.exec(f"systemctl daemon-reload; systemctl restart {unit}").checked()
    try:
        fleet.wait_ready("web1", timeout_s=30)
        before = shown(host, unit, "NRestarts"), shown(host, unit, "MainPID")
        host.exec("sleep 15").checked()  # the time of two feedings that might be missed
        assert (shown(host, unit, "NRestarts"), shown(host, unit, "MainPID")) == before
        host.exec(["systemctl", "kill", "-s", "STOP", "--kill-whom=main", unit]).checked()
        wait_until(
            "systemd has started it again",
            lambda: shown(host, unit, "MainPID") not in ("0", before[1]),
            30.0,
        )
        fleet.wait_ready("web1", timeout_s=30)
    finally:
        host.exec(f"rm -r {place}; systemctl daemon-reload; systemctl restart {unit}").checked()
