"""The lab itself: what it does to hosts has to be what it says, or all other tests here lie."""

import pytest

from limpet_lab import Direction, Host
from support.hosts.labs import LabOf
from support.master.fleet import wait_until

BOOT_ID = "/proc/sys/kernel/random/boot_id"
pytestmark = pytest.mark.timeout(300)


def reaches(one: Host, other: Host, timeout_s: int = 1) -> str:
    """Ask a closed port: a host that hears and is heard refuses, else there is silence."""
    asked = f"timeout {timeout_s} bash -c 'exec 3<>/dev/tcp/{other.address}/9'"
    result = one.exec(asked)
    if "refused" in result.err:
        return "refused"
    assert result.code == 124, result
    return "silence"


@pytest.fixture(scope="module")
def two(lab_of: LabOf) -> tuple[Host, Host]:
    lab = lab_of(2, is_enrolled=False).lab
    return lab.host("web1"), lab.host("web2")


def test_a_cut_is_silent_and_a_healed_cable_carries(two: tuple[Host, Host]) -> None:
    web1, web2 = two
    assert reaches(web1, web2) == "refused"
    directions: tuple[Direction, ...] = ("both", "in", "out")
    for direction in directions:
        web1.cut(direction)
        assert reaches(web1, web2) == reaches(web2, web1) == "silence", direction
        assert web1.exec("ip -o link show eth0").out.count("LOWER_UP") == 1
        web1.heal()
    assert reaches(web1, web2) == reaches(web2, web1) == "refused"


def test_a_connection_over_a_power_off_is_told_nothing(two: tuple[Host, Host]) -> None:
    web1, web2 = two
    web1.exec("systemd-run -q --unit=ear systemd-socket-activate -l 7777 sleep 60").checked()
    wait_until("it listens", lambda: web1.exec("ss -Hltn | grep -q :7777").code == 0)
    talk = f"exec 3<>/dev/tcp/{web1.address}/7777; echo hello >&3; sleep 30"
    web2.exec(["systemd-run", "-q", "--unit=mouth", "bash", "-c", talk]).checked()

    def connections() -> str:
        return web2.exec("ss -Htn dport = :7777").out

    wait_until("they talk", lambda: "ESTAB" in connections())
    web1.power_off()
    assert reaches(web2, web1) == "silence"
    assert "ESTAB" in connections()
    web1.boot()
    assert "ESTAB" in connections()


def test_what_was_written_and_who_it_is_outlives_power(two: tuple[Host, Host]) -> None:
    web1, web2 = two

    def lose_power() -> None:
        web1.power_off()
        web1.boot()

    def go_down_and_up() -> None:
        web1.shutdown()
        web1.boot()

    web1.write("/var/lib/note", "here\n")
    identity = web1.read("/etc/machine-id")
    assert identity != web2.read("/etc/machine-id")
    boots = {web1.read(BOOT_ID)}
    for again in (web1.reboot, lose_power, go_down_and_up):
        again()
        assert web1.read("/var/lib/note") == "here\n"
        assert web1.read("/etc/machine-id") == identity
        boots.add(web1.read(BOOT_ID))
    assert len(boots) == 4


def test_a_full_disk_is_one_hosts_own(two: tuple[Host, Host]) -> None:
    web1, web2 = two
    web1.fill_disk()
    full = web1.exec("head -c 65536 /dev/zero >/root/x")
    assert "No space left" in full.err
    web2.exec("head -c 65536 /dev/zero >/root/x").checked()
    web1.free_disk()
    web1.exec("head -c 65536 /dev/zero >/root/x").checked()


def test_a_name_means_what_the_lab_says_now(two: tuple[Host, Host], lab_of: LabOf) -> None:
    web1, web2 = two
    dns = lab_of(2, is_enrolled=False).lab.dns
    assert web1.exec("getent ahostsv4 web2").out.startswith(web2.address)
    dns.set("web2", "10.77.0.99")
    assert web1.exec("getent ahostsv4 web2").out.startswith("10.77.0.99 ")
    dns.remove("web2")
    assert web1.exec("getent ahostsv4 web2").code == 2
    dns.mode("silent")
    assert web1.exec("getent ahostsv4 web1.example").code == 2
    dns.mode("answer")
    dns.set("web2", web2.address)


def test_a_stopped_unit_stands_and_goes_on(two: tuple[Host, Host]) -> None:
    web1, _ = two
    web1.exec("systemd-run -q --unit=busy sleep 60").checked()
    for name, letter in (("STOP", "T"), ("CONT", "S")):
        web1.signal("busy", name)
        seen = web1.exec("ps -o stat= -p $(systemctl show -P MainPID busy)").out
        assert seen.startswith(letter), seen
