"""Kernel settings, hosts and mounts for real, in namespaces and on a copy of /etc of their own."""

import random
from pathlib import Path
from typing import Any

from support.hosts.scratch_machine import needs_scratch_machine, run_steps

pytestmark = needs_scratch_machine()


def step(call: str, **arguments: Any) -> dict[str, Any]:  # noqa: ANN401
    return {"call": call, "with": arguments}


def test_a_kernel_setting_is_set_now_and_for_the_next_boot(tmp_path: Path) -> None:
    config = str(tmp_path / "sysctl.d" / "99.conf")
    name = "net.ipv4.conf.lo.rp_filter"
    done, again, other, wrong, unknown, got = run_steps(
        tmp_path,
        [
            step("sysctl.present", name=name, value=2, config=config),
            step("sysctl.present", name=name, value="2", config=config),
            step("sysctl.present", name="net.ipv4.tcp_rmem", value="4096\t131072 6291456",
                 config=config),
            step("sysctl.present", name=name, value="x", config=config),
            step("sysctl.present", name="no.such.thing", value=1, config=config),
            {**step("sysctl.get", name=name), "function": True},
        ],
    )  # fmt: skip

    assert done["changes"] == {name: 2}
    assert (again["changes"], again["comment"]) == ({}, f"Sysctl value {name} = 2 is already set")
    assert other["result"] is True
    assert (wrong["result"], unknown["result"]) == (False, False)
    assert unknown["comment"] == (
        "Failed to set no.such.thing to 1: sysctl no.such.thing does not exist"
    )
    assert got == "2"
    assert Path(config).read_text() == (f"{name} = 2\nnet.ipv4.tcp_rmem = 4096\t131072 6291456\n")


def test_a_file_system_is_mounted_remounted_and_unmounted(tmp_path: Path) -> None:
    place = str(tmp_path / "a b")
    mounted = {"name": place, "device": "tmpfs", "fstype": "tmpfs", "mkmnt": True}
    done, again, smaller, same, gone, nothing, fstab = run_steps(
        tmp_path,
        [
            step("mount.mounted", **mounted),
            step("mount.mounted", **mounted),
            step("mount.mounted", **mounted, opts="size=1m,nosuid"),
            step("mount.mounted", **mounted, opts=["size=1m", "nosuid"]),
            step("mount.unmounted", name=place, device="tmpfs", persist=True),
            step("mount.unmounted", name=place, device="tmpfs", persist=True),
            step("mount.fstab"),
        ],
    )

    assert done["changes"] == {"mount": True, "persist": "new"}
    assert (again["changes"], same["changes"]) == ({}, {})
    assert smaller["changes"]["umount"] == (
        "Forced remount because options (size=1m, nosuid) changed"
    )
    assert gone["changes"] == {"umount": True, "persist": "purged"}
    assert nothing["changes"] == {}
    assert place not in fstab


def test_test_mode_announces_what_a_run_does_and_a_second_run_is_clean(tmp_path: Path) -> None:
    chance = random.Random(11)
    config = str(tmp_path / "sysctl.conf")
    place = tmp_path / "m"
    place.mkdir()
    addresses = ["10.9.0.1", "10.9.0.2", "::9"]

    def some(**choices: list[Any]) -> dict[str, Any]:
        return {key: chance.choice(of) for key, of in choices.items() if chance.random() < 0.6}

    def host() -> dict[str, Any]:
        name = chance.choice(["h1", "h2"])
        kind = chance.choice(["present", "present", "absent", "only"])
        if kind == "only":
            names = chance.choice([["h1"], ["h2", "h3"], []])
            return step("host.only", name=chance.choice(addresses), hostnames=names)
        if kind == "absent":
            return step("host.absent", name=name, **some(ip=addresses))
        ip = chance.choice([*addresses, addresses[:2]])
        return step("host.present", name=name, ip=ip, **some(clean=[True], comment=["c", "d"]))

    def mount() -> dict[str, Any]:
        kind = chance.choice(["mounted", "mounted", "unmounted", "fstab_present", "fstab_absent"])
        if kind == "unmounted":
            return step("mount.unmounted", name=str(place), **some(persist=[True, False]))
        if kind == "fstab_absent":
            return step("mount.fstab_absent", name="tmpfs", fs_file=str(place))
        more = ["size=1m", "size=2m,noexec", "defaults", ["nosuid"]]
        if kind == "fstab_present":
            return step("mount.fstab_present", name="tmpfs", fs_file=str(place),
                        fs_vfstype="tmpfs", **some(fs_mntops=more, mount=[False]))  # fmt: skip
        return step("mount.mounted", name=str(place), device="tmpfs", fstype="tmpfs",
                    **some(opts=more, persist=[True, False], mount=[True, False]))  # fmt: skip

    def sysctl() -> dict[str, Any]:
        name = chance.choice(["net.ipv4.conf.lo.rp_filter", "net.ipv4.ip_forward"])
        return step("sysctl.present", name=name, value=chance.choice([0, "1"]), config=config)

    steps = [chance.choice([host, mount, sysctl])() for _ in range(120)]
    answers = run_steps(tmp_path, [{**each, "law": True} for each in steps])

    for each, (announced, done, again, touched) in zip(steps, answers, strict=True):
        assert touched == [], each
        assert done["result"] is True, (each, done)
        assert (announced["result"] is None) == bool(done["changes"]), (each, announced, done)
        assert (again["result"], again["changes"]) == (True, {}), (each, again)


def test_the_time_zone_and_the_locale_are_set(tmp_path: Path) -> None:
    zone, again, tested, unknown, clock, shown, locale, same = run_steps(
        tmp_path,
        [
            step("timezone.system", name="Europe/Berlin"),
            step("timezone.system", name="Europe/Berlin"),
            {**step("timezone.system", name="Europe/Paris"), "test": True},
            step("timezone.system", name="../../etc/passwd"),
            step("timezone.system", name="Europe/Berlin", utc=False),
            step("timezone.get_zone"),
            step("locale.system", name="C.UTF-8"),
            step("locale.system", name="C.utf8"),
        ],
    )

    assert zone["changes"] == {"timezone": "Europe/Berlin"}
    assert again["comment"] == "Timezone Europe/Berlin already set, UTC already set to True"
    assert (tested["result"], tested["comment"]) == (None, "Timezone Europe/Paris needs to be set")
    assert unknown["result"] is False
    assert clock["changes"] == {"utc": False}
    assert shown == "Europe/Berlin"
    assert locale["comment"] in ("Set system locale C.UTF-8", "System locale C.UTF-8 already set")
    assert same["changes"] == {}
