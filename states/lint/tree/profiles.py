"""Typical hosts, for which a tree is rendered: what their grains say."""

from typing import Any, Final

from limpet.states.lint.unknown import Loose, loose

MINION_ID: Final = "minion.example.com"


def _linux(**grains: Any) -> dict[str, Any]:  # noqa: ANN401
    system: dict[str, Any] = {
        "id": MINION_ID,
        "nodename": MINION_ID,
        "host": "minion",
        "fqdn": MINION_ID,
        "localhost": "minion",
        "domain": "example.com",
        "fqdns": [MINION_ID],
        "master": "salt",
        "kernel": "Linux",
        "kernelrelease": "6.1.0-18-amd64",
        "kernelversion": "#1 SMP",
        "cpuarch": "x86_64",
        "cpu_model": "Example CPU",
        "cpu_flags": ["fpu", "sse2"],
        "num_cpus": 2,
        "mem_total": 3920,
        "swap_total": 0,
        "virtual": "kvm",
        "productname": "Standard PC",
        "manufacturer": "QEMU",
        "biosversion": "1.16",
        "serialnumber": "1",
        "uuid": "11111111-2222-3333-4444-555555555555",
        "machine_id": "0123456789abcdef0123456789abcdef",
        "init": "systemd",
        "systemd": {"version": "252", "features": "+PAM"},
        "selinux": {"enabled": False, "enforced": "Disabled"},
        "path": "/usr/sbin:/usr/bin:/sbin:/bin",
        "systempath": ["/usr/sbin", "/usr/bin"],
        "shell": "/bin/sh",
        "ps": "ps -efHww",
        "cwd": "/",
        "pid": 1,
        "uid": 0,
        "gid": 0,
        "username": "root",
        "groupname": "root",
        "saltversion": "3007.1",
        "saltversioninfo": [3007, 1],
        "saltpath": "/usr/lib/python3/dist-packages/salt",
        "pythonversion": [3, 11, 2, "final", 0],
        "pythonpath": [],
        "pythonexecutable": "/usr/bin/python3",
        "zmqversion": "4.3.4",
        "gpus": [],
        "num_gpus": 0,
        "disks": ["sda"],
        "ssds": [],
        "dns": {"nameservers": ["192.0.2.1"], "domain": "", "search": ["example.com"]},
        "locale_info": {
            "defaultlanguage": "en_US",
            "defaultencoding": "UTF-8",
            "detectedencoding": "utf-8",
            "timezone": "UTC",
        },
        "ipv4": ["127.0.0.1", "192.0.2.10"],
        "ipv6": ["::1", "2001:db8::10"],
        "fqdn_ip4": ["192.0.2.10"],
        "fqdn_ip6": ["2001:db8::10"],
        "ip_interfaces": {"lo": ["127.0.0.1", "::1"], "eth0": ["192.0.2.10", "2001:db8::10"]},
        "ip4_interfaces": {"lo": ["127.0.0.1"], "eth0": ["192.0.2.10"]},
        "ip6_interfaces": {"lo": ["::1"], "eth0": ["2001:db8::10"]},
        "hwaddr_interfaces": {"lo": "00:00:00:00:00:00", "eth0": "52:54:00:00:00:01"},
        "ip4_gw": "192.0.2.1",
        "ip6_gw": False,
        "ip_gw": True,
        "server_id": 1234567,
        "efi": False,
        "efi-secure-boot": False,
        "lsb_distrib_codename": grains.get("oscodename", ""),
        "lsb_distrib_id": grains.get("os", ""),
        "lsb_distrib_release": grains.get("osrelease", ""),
        "transactional": False,
    }
    return {**system, **grains}


def _system(
    os_: str,
    family: str,
    release: str,
    codename: str,
    full_name: str = "",
    finger: str = "",
    *,
    arch: str = "amd64",
    **more: Any,  # noqa: ANN401
) -> dict[str, Any]:
    parts = [int(part) if part.isdigit() else part for part in release.split(".")]
    major = parts[0]
    return _linux(
        **{
            "os": os_,
            "os_family": family,
            "osfullname": full_name or os_,
            "osrelease": release,
            "osrelease_info": parts,
            "osmajorrelease": major,
            "osfinger": finger or f"{full_name or os_}-{major}",
            "oscodename": codename,
            "osarch": arch,
            **more,
        }
    )


PROFILES: Final[dict[str, dict[str, Any]]] = {
    "Debian 12": _system("Debian", "Debian", "12", "bookworm", "Debian GNU/Linux", "Debian-12"),
    "Ubuntu 24.04": _system("Ubuntu", "Debian", "24.04", "noble", finger="Ubuntu-24.04"),
    "Rocky 9": _system("Rocky", "RedHat", "9.4", "Blue Onyx", "Rocky Linux", arch="x86_64"),
    "CentOS 7": _system("CentOS", "RedHat", "7.9", "Core", "CentOS Linux", arch="x86_64"),
    "openSUSE Leap 15": _system(
        "SUSE", "Suse", "15.5", "openSUSE Leap 15.5", "Leap", arch="x86_64"
    ),
    "Arch": _system("Arch", "Arch", "rolling", "", "Arch Linux", "Arch Linux", arch="x86_64"),
    "FreeBSD 14": _system(
        "FreeBSD",
        "FreeBSD",
        "14.0",
        "",
        kernel="FreeBSD",
        kernelrelease="14.0-RELEASE",
        init="unknown",
    ),
}
"""Grains by the name under which a host is told of."""


def grains_of(name: str) -> Loose:
    """Give the grains of a typical host; grains of the user's own are unknown in it."""
    made: Loose = loose(PROFILES[name])
    return made


def grain_names() -> frozenset[str]:
    """List the grains that every host has."""
    return frozenset(PROFILES["Debian 12"])
