"""What docs/operations.md tells somebody to type on a bad day, typed on hosts."""

import json

import pytest

from limpet_lab import Host
from limpet_lab.fleet import Fleet, install
from limpet_lab.running import wait_until
from support.hosts.labs import LabOf

pytestmark = [pytest.mark.lab, pytest.mark.timeout(300)]
BACKUP = "/var/backups/limpet-master.backup"
BY_TIMER = "/var/backups/limpet-nightly.backup"
PASSPHRASE = "correct horse battery staple"
BACK_S = 60.0
RAN = "/root/ran"

SERVICE = f"""[Service]
Type=oneshot
ExecStart=/usr/bin/limpet master backup {BY_TIMER} --force
"""
TIMER = """[Timer]
OnCalendar=daily
Persistent=true

[Install]
WantedBy=timers.target
"""


@pytest.fixture(scope="module")
def fleet(lab_of: LabOf) -> Fleet:
    return lab_of(3)


def save(master: Host, path: str = BACKUP) -> None:
    """Back up with keys, the passphrase on stdin."""
    words = ["limpet", "master", "backup", path, "--force", "--with-keys", "--passphrase-file", "-"]
    done = master.exec(words, given=f"{PASSPHRASE}\n").checked()
    assert "the keys of" in done.out


def put_back(master: Host, path: str = BACKUP) -> None:
    """Restore, and start, as is told at the end of it."""
    words = ["limpet", "master", "restore", path, "--passphrase-file", "-"]
    done = master.exec(words, given=f"{PASSPHRASE}\n").checked()
    assert "keys: put back" in done.out
    assert "next: systemctl enable --now limpet-master" in done.out
    master.exec("systemctl enable --now limpet-master", timeout_s=60).checked()


def lose_the_disk(fleet: Fleet) -> None:
    """The master's host burns down, and a new one stands in its place, with the package on it."""
    master = fleet.lab.master
    master.exec("systemctl kill -s KILL limpet-master limpet-enrol; dpkg --purge limpet-master")
    assert master.exec("ls -d /etc/limpet /var/lib/limpet /opt/limpet").out.strip() == ""
    install(master, [fleet.packages.master])


def fails(host: Host) -> list[str]:
    done = host.exec(["limpet", "doctor", "--format", "json"], timeout_s=30)
    found = json.loads(done.out)["findings"]
    return [f"{each['check']}: {each['text']}" for each in found if each["verdict"] == "fail"]


def keys_by_state(fleet: Fleet, state: str) -> dict[str, str]:
    """Give the fingerprints of keys in a state by minion."""
    keys = json.loads(fleet.limpet("keys", "list", "--format", "json").checked().out)["keys"]
    return {key["minion"]: key["fingerprint"] for key in keys if key["state"] == state}


def rejoin(fleet: Fleet, host: Host) -> None:
    """What is typed for a host whose master is a stranger."""
    words = ["limpet", "minion", "setup", "--master", "master", "--join", "-"]
    host.exec(words, 90, given=f"{fleet.make_join_string()}\n").checked()


def test_a_backup_is_made_by_a_timer_while_the_master_works(fleet: Fleet) -> None:
    master = fleet.lab.master
    master.write("/etc/systemd/system/limpet-backup.service", SERVICE)
    master.write("/etc/systemd/system/limpet-backup.timer", TIMER)
    master.exec("systemctl enable --now limpet-backup.timer").checked()
    for _ in range(2):
        master.exec("systemctl start limpet-backup.service", timeout_s=60).checked()
        assert fleet.run("*", "test.ping").status("web1") == "ok"
    assert master.exec(f"stat -c '%U %a' {BY_TIMER}").out.strip() == "root 600"
    owners = master.exec("find /var/lib/limpet ! -user limpet").checked().out
    assert owners == ""


def test_a_backup_never_fills_the_disk_that_the_store_is_on(fleet: Fleet) -> None:
    master = fleet.lab.master
    before = master.exec(f"sha256sum {BY_TIMER}").checked().out
    master.fill_disk(left_bytes=20 * 2**20)
    try:
        done = master.exec(["limpet", "master", "backup", BY_TIMER, "--force"])
    finally:
        master.free_disk()
    assert (done.code, "no room for a backup" in done.err) == (1, True), done
    assert master.exec(f"sha256sum {BY_TIMER}").checked().out == before
    assert master.exec("ls -A /var/backups | grep new").out == ""


def test_the_manual_is_on_hosts_and_outlives_the_removal_of_one_package(fleet: Fleet) -> None:
    web1 = fleet.lab.host("web1")

    def pages() -> dict[str, str]:
        listed = web1.exec("readlink -f /usr/share/man/man[15]/limpet*.gz").checked().out.split()
        return {path.rpartition("/")[2]: path.split("/")[3] for path in listed}

    assert {"limpet.1.gz", "limpet-master-backup.1.gz", "limpet-minion.yaml.5.gz"} <= pages().keys()
    assert set(pages().values()) == {"minion"}
    install(web1, [fleet.packages.master])
    assert set(pages().values()) == {"master"}
    page = web1.exec("zcat /usr/share/man/man1/limpet-run.1.gz").checked().out
    assert r"\fB\-\-job\-timeout S\fR" in page
    web1.exec("dpkg --purge limpet-master", timeout_s=60).checked()
    assert set(pages().values()) == {"minion"}
    fleet.wait_answer("web1", timeout_s=15)


@pytest.mark.covers("J10")
def test_a_master_whose_disk_is_lost_comes_back_from_its_backup(fleet: Fleet) -> None:
    master, web2 = fleet.lab.master, fleet.lab.host("web2")
    web2.power_off()
    assert wait_until(lambda: "web2" not in fleet.ready(), 60)
    jid = fleet.submit("web2", "cmd.run", f"echo once >> {RAN}", ttl_s=3600)
    save(master)
    kept = master.exec(f"base64 -w 0 {BACKUP}").checked().out
    web2.boot()
    fleet.wait_job(jid)
    assert web2.read(RAN) == "once\n"

    lose_the_disk(fleet)
    master.exec(f"rm -f {BACKUP}; base64 -d > {BACKUP}", given=kept).checked()
    put_back(master)
    assert fleet.wait_ready(timeout_s=BACK_S) < BACK_S
    assert fleet.wait_answer(timeout_s=15) < 15
    assert fleet.show(jid).job.status("web2") in ("expired", "ok")
    assert web2.read(RAN) == "once\n"
    assert fails(master) == []
    owners = master.exec("find /var/lib/limpet ! -user limpet; find /etc/limpet ! -group limpet")
    assert owners.checked().out == ""


@pytest.mark.covers("C11")
def test_with_the_keys_alone_minions_ask_to_be_let_in_and_nobody_goes_to_them(fleet: Fleet) -> None:
    master = fleet.lab.master
    master.exec("cp -a /var/lib/limpet/keys /root/keys").checked()
    lose_the_disk(fleet)
    for line in (
        "install -d -o limpet -g limpet -m 700 /var/lib/limpet/keys",
        "install -o limpet -g limpet -m 600 /root/keys/* /var/lib/limpet/keys",
        "limpet master setup --no-token",
    ):
        master.exec(line, timeout_s=60).checked()

    def all_ask() -> bool:
        return len(keys_by_state(fleet, "pending")) == len(fleet.lab.minions)

    assert wait_until(all_ask, BACK_S), fleet.limpet("keys", "list").out
    fleet.limpet("keys", "accept", "--yes", "*").checked()
    assert fleet.wait_ready(timeout_s=BACK_S) < BACK_S


@pytest.mark.covers("C11")
def test_without_a_backup_each_host_says_what_to_type_and_that_helps(fleet: Fleet) -> None:
    lose_the_disk(fleet)
    fleet.lab.master.exec(["limpet", "master", "setup", "--no-token"], timeout_s=60).checked()
    for host in fleet.lab.minions:

        def says_why(host: Host = host) -> bool:
            said = host.logs("limpet-minion", 20)
            return "limpet minion setup --join" in said and any(
                each.startswith("master key:") and "another key" in each for each in fails(host)
            )

        assert wait_until(says_why, 60), (fails(host), host.logs("limpet-minion", 5))
        rejoin(fleet, host)
    fleet.wait_ready(timeout_s=15)
    assert keys_by_state(fleet, "accepted").keys() == {host.name for host in fleet.lab.minions}


@pytest.mark.covers("H5")
def test_a_host_that_was_installed_anew_is_let_in_when_its_old_key_is_deleted(fleet: Fleet) -> None:
    web1 = fleet.lab.host("web1")
    web1.exec("dpkg --purge limpet-minion", timeout_s=60).checked()
    install(web1, [fleet.packages.minion])
    words = ["limpet", "minion", "setup", "--master", "master", "--timeout", "5s", "--join", "-"]
    done = web1.exec(words, 60, given=f"{fleet.make_join_string()}\n")
    assert (done.code, "limpet keys delete" in done.out) == (1, True), done
    assert "web1" in keys_by_state(fleet, "conflict")
    old = keys_by_state(fleet, "accepted")["web1"]
    fleet.limpet("keys", "delete", "--yes", old).checked()
    assert fleet.wait_ready("web1", timeout_s=BACK_S) < BACK_S


def test_a_master_moves_to_another_host_and_nobody_goes_to_the_minions(fleet: Fleet) -> None:
    master, new = fleet.lab.master, fleet.lab.add("salt2", "10.77.0.3")
    new.boot()
    install(new, [fleet.packages.master])

    master.exec("systemctl disable --now limpet-master", timeout_s=60).checked()
    save(master)
    saved = master.exec(f"base64 -w 0 {BACKUP}").checked().out
    new.exec(f"base64 -d > {BACKUP}", given=saved).checked()
    put_back(new)
    master.power_off()
    fleet.lab.dns.set("master", new.address)

    def are_back() -> bool:
        done = new.exec("limpet minions --format json")
        rows = json.loads(done.out)["minions"] if done.code == 0 else {}
        return {name for name, row in rows.items() if row["state"] == "ready"} == names

    names = {host.name for host in fleet.lab.minions} - {new.name}
    assert wait_until(are_back, BACK_S), new.exec("limpet minions").out
    assert new.exec("limpet run '*' test.ping", timeout_s=30).code == 0
