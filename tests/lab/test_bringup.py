"""Bringing hosts up by README's lines, and what is said where something is in the way."""

import json
import time

import pytest

from limpet_lab.host import Host
from support.hosts.labs import LabOf

pytestmark = [pytest.mark.lab]
MASTER_S = 60
HOST_S = 60


def setup(host: Host, *words: str) -> tuple[int, str]:
    """Run `limpet minion setup` for a short time; gives the exit code and what it said."""
    done = host.exec(["limpet", "minion", "setup", "--timeout", "20", *words], timeout_s=HOST_S)
    return done.code, done.out


def doctor(host: Host) -> dict[str, list[str]]:
    """Give what `limpet doctor` finds wrong, by verdict."""
    done = host.exec(["limpet", "doctor", "--format", "json"], timeout_s=30)
    found: dict[str, list[str]] = {"ok": [], "warn": [], "fail": []}
    for each in json.loads(done.out)["findings"]:
        found[each["verdict"]].append(f"{each['check']}: {each['text']}")
    assert (done.code == 0) is (not found["fail"])
    return found


def test_hosts_come_up_by_the_lines_that_are_printed(lab_of: LabOf) -> None:
    fleet = lab_of(2, is_enrolled=False)
    master, (web1, web2) = fleet.lab.master, fleet.lab.minions
    fleet.install()
    for host in (web1, web2):
        before = doctor(host)
        assert [each.split(":")[0] for each in before["fail"]] == ["configuration"]
        assert host.exec("test ! -e /var/lib/limpet-minion/keys/minion.secret").code == 0
        assert host.exec("systemctl is-active limpet-minion").out.strip() == "inactive"
    made = master.exec(
        ["limpet", "master", "setup", "--id-pattern", "web*", "--format", "json"],
        timeout_s=MASTER_S,
    ).checked()
    told = json.loads(made.out)
    line = told["command"].replace(told["name"], "master")
    done = web1.exec(line, timeout_s=HOST_S).checked()
    assert "web1 is READY" in done.out
    assert "join" not in web1.exec("cat /etc/limpet/minion.d/50-setup.yaml").checked().out
    assert web1.exec("stat -c %a /etc/limpet/minion.d/50-setup.yaml").out.strip() == "600"
    assert fleet.run("web1", "test.ping").status("web1") == "ok"
    for host in (master, web1):
        assert doctor(host)["fail"] == []

    # The one use is used up: the other host is refused, and told what to look at.
    code, said = setup(web2, *line.split()[3:])
    assert (code, "limpet token list" in said) == (1, True)
    assert any("refuses the join string" in each for each in doctor(web2)["fail"])
    fleet.limpet("keys", "accept", "--yes", "web2").checked()
    code, said = setup(web2)
    assert (code, "web2 is READY" in said) == (0, True)

    # The first one comes back after a reboot without the join string.
    web1.reboot()
    fleet.wait_ready("web1", timeout_s=30)


def test_a_port_in_use_is_named_when_the_master_can_not_start(lab_of: LabOf) -> None:
    fleet = lab_of(2, is_enrolled=False)
    master = fleet.lab.master
    master.exec("systemctl stop limpet-master limpet-enrol").checked()
    # systemd itself holds the port: there is no other program on these hosts that could.
    master.write("/run/systemd/system/taken.socket", "[Socket]\nListenStream=4506\n")
    master.write(
        "/run/systemd/system/taken.service", "[Service]\nExecStart=/usr/bin/sleep infinity\n"
    )
    master.exec("systemctl daemon-reload; systemctl start taken.socket").checked()
    try:
        done = master.exec(["limpet", "master", "setup", "--no-token"], timeout_s=MASTER_S)
        assert done.code == 1
        assert "port 4506 is taken by systemd (pid 1)" in done.out
        assert any("does not answer as this master" in each for each in doctor(master)["fail"])
    finally:
        master.exec("systemctl stop taken.socket taken.service")
    master.exec(["limpet", "master", "setup", "--no-token"], timeout_s=MASTER_S).checked()


def test_dns_and_firewall_are_told_apart(lab_of: LabOf) -> None:
    fleet = lab_of(2, is_enrolled=False)
    web1 = fleet.lab.host("web1")
    fleet.wait_ready("web1", timeout_s=30)
    fleet.lab.dns.mode("silent")
    try:
        began = time.monotonic()
        assert any("not answer" in each for each in doctor(web1)["fail"])
        assert time.monotonic() - began < 20
        fleet.lab.dns.mode("fail")
        assert any(each.startswith("names: master:") for each in doctor(web1)["fail"])
    finally:
        fleet.lab.dns.mode("answer")
    web1.cut("in")
    try:
        time.sleep(1)
        fails = doctor(web1)["fail"]
    finally:
        web1.heal()
    # The name servers are behind the same cable.
    assert any(each.startswith(("names:", "ports:")) for each in fails)
    fleet.wait_ready("web1", timeout_s=30)


def test_an_image_is_prepared_without_a_key_and_joins_at_its_first_boot(lab_of: LabOf) -> None:
    fleet = lab_of(2, is_enrolled=False)
    web2 = fleet.lab.host("web2")
    web2.exec("systemctl disable --now limpet-minion; rm -rf /var/lib/limpet-minion/*").checked()
    fleet.limpet("keys", "delete", "--yes", "web2").checked()
    web2.exec("rm /etc/limpet/minion.d/50-setup.yaml").checked()
    join = fleet.make_join_string()
    line = f"echo {join} | limpet minion setup --master master --join - --no-start"
    assert "starts at the next boot" in web2.exec(line).checked().out
    assert web2.exec("ls -A /var/lib/limpet-minion").checked().out.strip() == ""
    web2.reboot()
    fleet.wait_ready("web2", timeout_s=30)


@pytest.mark.covers("H2")
def test_a_host_made_from_the_image_of_another_has_a_key_of_its_own(lab_of: LabOf) -> None:
    fleet = lab_of(2, is_enrolled=False)
    web2 = fleet.lab.host("web2")
    public = "/var/lib/limpet-minion/keys/minion.public"
    before = web2.exec(["cat", public]).checked().out
    web2.exec("echo 0123456789abcdef0123456789abcdef > /etc/machine-id").checked()
    web2.reboot()
    assert web2.exec(f"for i in 1 2 3 4 5 6 7 8 9; do [ -e {public} ] && break; sleep 1; done")
    after = web2.exec(["cat", public]).checked().out
    assert after != before
    kept = web2.exec("cat /var/lib/limpet-minion/former/*/minion.public").checked().out
    assert kept == before
    keys = json.loads(fleet.limpet("keys", "list", "--format", "json").checked().out)["keys"]
    states = sorted(key["state"] for key in keys if key["minion"] == "web2")
    assert states == ["accepted", "conflict"]
