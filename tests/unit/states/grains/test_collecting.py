"""Facts are collected side by side, each under its limit; own grains lie on top."""

import json
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from limpet.common.errors import HostError
from limpet.states.grains import addresses, hardware, software
from limpet.states.grains.collect import fit
from limpet.states.grains.collectors import PROBLEMS, collect, gather
from limpet.states.grains.loading import forget, keep, load, with_own
from limpet.states.grains.virtualization import virtualization
from limpet.states.ports.machine import Address, Command, Completed, Interface, Route
from support.fakes.host import FakeCommands, FakeHost, make_context


@pytest.mark.covers("A15")
def test_a_fact_that_hangs_is_named_and_costs_nothing_but_its_limit() -> None:
    never = threading.Event()

    def hang() -> dict[str, Any]:
        never.wait()
        return {"late": 1}

    begin = time.monotonic()
    found = gather({"slow": hang, "quick": lambda: {"os": "Debian"}}, 0.1)
    never.set()
    assert found == {"os": "Debian", PROBLEMS: {"slow": "timeout"}}
    assert time.monotonic() - begin < 5


def test_a_fact_that_fails_is_named_with_the_reason() -> None:
    def fail() -> dict[str, Any]:
        raise HostError("no such thing")

    assert gather({"bad": fail}, 5)[PROBLEMS] == {"bad": "HostError: no such thing"}


def test_all_groups_answer_on_a_bare_machine() -> None:
    found = collect(FakeHost(), "web1", {"master": ["m1"]}, pid=7)
    assert PROBLEMS not in found
    assert found["id"] == "web1"
    assert found["master"] == "m1"
    assert found["fqdn"] == "web1.example.org"
    assert (found["host"], found["domain"]) == ("web1", "example.org")
    assert found["saltversion"] == "3008.3"
    assert found["saltversioninfo"] == [3008, 3]
    assert found["kernel"] == "Linux"
    assert found["num_cpus"] == 2
    assert found["virtual"] == "physical"
    assert found["init"] == "unknown"
    assert found["pid"] == 7


def test_the_server_id_is_salts_number_of_the_id() -> None:
    assert software.identity("oracle", {})["server_id"] == 1382249759


def test_the_package_manager_names_the_architecture() -> None:
    host = FakeHost()
    assert software.architecture(host, "Debian", lambda *_: "amd64") == {"osarch": "amd64"}
    assert software.architecture(host, "Arch", lambda *_: "never asked") == {"osarch": "x86_64"}
    assert software.architecture(host, "RedHat", lambda *_: "") == {"osarch": "x86_64"}


def test_systemd_and_selinux_are_told_where_they_are() -> None:
    host = FakeHost(
        FakeCommands(installed=dict.fromkeys(("systemctl", "localectl", "selinuxenabled"), "/x"))
    )
    host.files.directories |= {"/run/systemd/system", "/sys/fs/selinux/enforce"}
    says = {"systemctl": "systemd 252 (252.1)\n+PAM", "getenforce": "Enforcing"}
    assert software.init(host) == {"init": "systemd", "transactional": False}
    found = software.systemd(host, lambda *argv: says.get(argv[0], ""))
    assert found == {"systemd": {"version": "252", "features": "+PAM"}}
    found = software.selinux(host, lambda *argv: says.get(argv[0], ""))
    assert found == {"selinux": {"enabled": True, "enforced": "Enforcing"}}


@pytest.mark.parametrize(
    ("cmdline", "program", "init"),
    [
        ("/usr/bin/tini\0--\0x", "", "tini"),
        ("/sbin/init\0", "… sysvinit 3.0 …", "sysvinit"),
        ("/sbin/init\0", "busybox", "unknown"),
        ("/process\0", "", "unknown"),
        ("", "", "unknown"),
    ],
)
def test_the_init_system_is_told(cmdline: str, program: str, init: str) -> None:
    host = FakeHost()
    host.files.texts.update({"/proc/1/cmdline": cmdline, "/sbin/init": program})
    assert software.init(host)["init"] == init


def test_the_locale_is_read_from_the_environment() -> None:
    host = FakeHost()
    host.commands.variables["LANG"] = "de_DE.UTF-8"
    locale = software.process(host, 1)["locale_info"]
    assert (locale["defaultlanguage"], locale["defaultencoding"]) == ("de_DE", "UTF-8")


def test_hardware_is_read_from_the_kernels_tables() -> None:
    host = FakeHost()
    host.files.texts.update(
        {
            "/proc/cpuinfo": "model name\t: EPYC\nflags\t: fpu vme\nvendor_id\t: AMD\n",
            "/proc/meminfo": "MemTotal: 4194304 kB\nSwapTotal: 1048576 kB\n",
            "/sys/class/dmi/id/product_uuid": "ABC-1\n",
            "/sys/class/dmi/id/sys_vendor": "QEMU\n",
            "/sys/block/sda/queue/rotational": "1\n",
            "/sys/block/nvme0n1/queue/rotational": "0\n",
            "/sys/block/loop0/queue/rotational": "1\n",
            "/proc/mdstat": "Personalities : [raid1]\nmd0 : active raid1\nunused devices: <none>\n",
            "/sys/firmware/efi/efivars/SecureBoot-1": "\x06\x00\x00\x00\x01",
        }
    )
    host.files.links["/sys/block/loop0"] = "../devices/virtual/block/loop0"
    assert hardware.processors(host)["cpu_flags"] == ["fpu", "vme"]
    assert hardware.memory(host) == {"mem_total": 4096, "swap_total": 1024}
    firmware = hardware.firmware(host)
    assert (firmware["uuid"], firmware["manufacturer"]) == ("abc-1", "QEMU")
    assert (firmware["efi"], firmware["efi-secure-boot"]) == (True, True)
    assert hardware.disks(host) == {"disks": ["sda"], "ssds": ["nvme0n1"], "mdadm": ["md0"]}


def test_addresses_are_given_by_interface_and_together() -> None:
    host = FakeHost()
    host.network.links = [
        Interface("lo", True, "00:00:00:00:00:00", (Address("inet", "127.0.0.1", 8),)),
        Interface(
            "eth0", True, "", (Address("inet", "10.0.0.2", 8), Address("inet6", "fd00::2", 64))
        ),
    ]
    host.network.paths = [Route("inet", "0.0.0.0/0", "10.0.0.1", "eth0", "UG")]
    found = addresses.interfaces(host)
    assert found["ip_interfaces"] == {"lo": ["127.0.0.1"], "eth0": ["10.0.0.2", "fd00::2"]}
    assert found["ipv4"] == ["10.0.0.2", "127.0.0.1"]
    assert found["hwaddr_interfaces"] == {"lo": "00:00:00:00:00:00"}
    assert addresses.gateways(host) == {"ip_gw": True, "ip4_gw": "10.0.0.1", "ip6_gw": False}


def test_the_resolvers_configuration_is_told() -> None:
    host = FakeHost()
    host.files.texts["/etc/resolv.conf"] = (
        "# mine\nnameserver 192.0.2.53 # first\nnameserver fd00::53\nnameserver junk\n"
        "search a.example b.example\ndomain example.org\noptions ndots:2\n;nameserver 1.1.1.1\n"
    )
    dns = addresses.resolver(host)["dns"]
    assert dns["ip4_nameservers"] == ["192.0.2.53"]
    assert dns["ip6_nameservers"] == ["fd00::53"]
    assert (dns["search"], dns["domain"]) == (["a.example", "b.example"], "example.org")


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("kvm", {"virtual": "kvm"}),
        ("vmware", {"virtual": "VMware"}),
        ("microsoft", {"virtual": "VirtualPC"}),
        ("docker", {"virtual": "container", "virtual_subtype": "Docker"}),
        ("lxc-libvirt", {"virtual": "container", "virtual_subtype": "LXC"}),
        ("amazon", {"virtual": "Nitro", "virtual_subtype": "Amazon EC2"}),
        ("none", {"virtual": "physical"}),
        ("", {"virtual": "physical"}),
    ],
)
def test_systemds_word_is_turned_into_salts(word: str, expected: dict[str, str]) -> None:
    host = FakeHost()
    host.commands.installed["systemd-detect-virt"] = "/usr/bin/systemd-detect-virt"
    assert virtualization(host, lambda *_: word) == expected


@pytest.mark.parametrize(
    ("texts", "expected"),
    [
        ({"/sys/class/dmi/id/sys_vendor": "QEMU"}, {"virtual": "kvm"}),
        ({"/sys/class/dmi/id/product_name": "VMware7,1"}, {"virtual": "VMware"}),
        ({"/proc/1/cgroup": "1:name=systemd:/docker/abc"}, {"virtual_subtype": "Docker"}),
        ({"/proc/1/environ": "container=lxc\0"}, {"virtual_subtype": "LXC"}),
        ({"/proc/xen/capabilities": "control_d\n"}, {"virtual_subtype": "Xen Dom0"}),
        ({"/proc/xen/capabilities": ""}, {"virtual": "xen", "virtual_subtype": "Xen PV DomU"}),
        ({"/proc/vz/version": "1"}, {"virtual": "openvzhn"}),
    ],
)
def test_firmware_and_proc_tell_the_rest(texts: dict[str, str], expected: dict[str, str]) -> None:
    host = FakeHost()
    host.files.texts.update(texts)
    found = virtualization(host, lambda *_: "")
    assert {key: found.get(key) for key in expected} == expected


@pytest.mark.covers("A15")
@pytest.mark.parametrize(
    ("is_hanging", "architecture"),
    [(True, None), (False, "x86_64")],
)
def test_a_command_that_hangs_costs_its_fact_and_one_that_fails_is_done_without(
    is_hanging: bool, architecture: str | None
) -> None:
    def answer(command: Command) -> Completed:
        return Completed(1, -9, b"half", b"", is_timed_out=is_hanging)

    host = FakeHost(FakeCommands(installed={"dpkg": "/usr/bin/dpkg"}, answer=answer))
    host.files.texts["/etc/os-release"] = "NAME=Debian\nID=debian\n"
    found = collect(host, "web1", {}, pid=1)
    assert found["os"] == "Debian"
    assert found.get("osarch") == architecture
    assert ("timeout" in found.get(PROBLEMS, {}).get("architecture", "")) is is_hanging


def test_the_grains_file_lies_over_facts_and_the_configuration_over_both(tmp_path: Path) -> None:
    (tmp_path / "grains").write_text("os: Mine\nrole: file\n")
    places = make_context(root=tmp_path).places
    found = with_own({"os": "Debian", "cpu": 1}, places, {"grains": {"role": "configured"}})
    assert found == {"os": "Mine", "cpu": 1, "role": "configured"}


@pytest.mark.parametrize("text", ["a: [1\n", "- a\n", "a: 1\na: 2\n", "\x00"])
def test_a_bad_grains_file_is_named_and_left_out(tmp_path: Path, text: str) -> None:
    (tmp_path / "grains").write_text(text)
    found = with_own({"os": "Debian"}, make_context(root=tmp_path).places, {})
    assert found["os"] == "Debian"
    assert str(tmp_path / "grains") in found[PROBLEMS]["grains file"]


def test_facts_are_kept_for_a_while_and_forgotten_on_demand(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    host = FakeHost()
    context = make_context(host, root=tmp_path)
    keep(context, {"os": "kept"})
    assert load(context)["os"] == "kept"
    host.system.clock_s += 301
    assert load(context)["os"] != "kept"
    keep(context, {"os": "kept"})
    forget(context.places)
    assert load(context)["os"] != "kept"


@pytest.mark.parametrize("data", [b"", b"{}", b"\xff", b'{"version": 5}'])
def test_damaged_kept_facts_are_collected_anew(tmp_path: Path, data: bytes) -> None:
    (tmp_path / "state").mkdir()
    (tmp_path / "state" / "facts.json").write_bytes(data)
    assert load(make_context(root=tmp_path))["id"] == "web1"


def test_kept_facts_of_another_boot_or_name_are_not_ours(tmp_path: Path) -> None:
    (tmp_path / "state").mkdir()
    host = FakeHost()
    keep(make_context(host, root=tmp_path), {"os": "kept"})
    host.files.texts["/proc/sys/kernel/random/boot_id"] = "another"
    assert load(make_context(host, root=tmp_path))["os"] != "kept"


def test_grains_that_fit_are_all_told() -> None:
    assert json.loads(fit({"os": "Debian"}, 100)) == {"os": "Debian"}


def test_grains_that_do_not_fit_are_left_out_by_name() -> None:
    grains = {"os": "Debian", "cpu_flags": ["x" * 50] * 10, "huge": "y" * 5000}
    body = fit(grains, 400)
    assert len(body) <= 400
    found = json.loads(body)
    assert found["os"] == "Debian"
    assert found[PROBLEMS] == {"too large": "cpu_flags, huge"}
