"""Which distribution this is: `os`, `os_family`, `osrelease`, `oscodename`, `osfinger` and kin.

Pure: it is handed the content of files. The values are Salt's, quirks included, for they are what
trees of states compare with; `tests/unit/states/grains/test_distribution.py` holds them.
"""

import re
import shlex
from collections.abc import Callable, Mapping
from typing import Any, Final

_LINUX = re.compile(r"\W(?:gnu/)?linux", re.IGNORECASE)

_SHORT_NAMES: Final = {
    "redhatente": "RedHat",
    "gentoobase": "Gentoo",
    "archarm": "Arch ARM",
    "arch": "Arch",
    "debian": "Debian",
    "raspbian": "Raspbian",
    "fedoraremi": "Fedora",
    "amazonami": "Amazon",
    "alt": "ALT",
    "enterprise": "OEL",
    "oracleserv": "OEL",
    "cloudserve": "CloudLinux",
    "cloudlinux": "CloudLinux",
    "virtuozzo": "Virtuozzo",
    "almalinux": "AlmaLinux",
    "almalinuxk": "AlmaLinux",
    "pidora": "Fedora",
    "scientific": "ScientificLinux",
    "synology": "Synology",
    "poky": "Poky",
    "manjaro": "Manjaro",
    "manjarolin": "Manjaro",
    "univention": "Univention",
    "antergos": "Antergos",
    "sles": "SUSE",
    "void": "Void",
    "slesexpand": "RES",
    "linuxmint": "Mint",
    "neon": "KDE neon",
    "pop": "Pop",
    "rocky": "Rocky",
    "alibabaclo": "Alinux",
    "mendel": "Mendel",
    "photon": "VMware Photon OS",
}
"""The first ten letters of a distribution's name to the `os` grain."""

_FAMILIES: Final[Mapping[str, tuple[str, ...]]] = {
    "Debian": (
        *("Ubuntu", "Mint", "Trisquel", "GCEL", "Linaro", "elementary OS", "elementary"),
        *("Univention", "Raspbian", "Devuan", "antiX", "Kali", "Parrot OS", "neon", "Cumulus"),
        *("Deepin", "KDE neon", "IDMS", "TurnKey", "Pop", "AstraLinuxCE", "AstraLinuxSE"),
        *("Mendel", "OSMC"),
    ),
    "RedHat": (
        *("Fedora", "Chapeau", "Korora", "FedBerry", "CentOS", "CentOS Stream", "GoOSe"),
        *("Scientific", "ScientificLinux", "Amazon", "CloudLinux", "Virtuozzo", "AlmaLinux"),
        *("AlmaLinux Kitten", "OVS", "OEL", "XCP", "XCP-ng", "XenServer", "RES", "Sangoma"),
        *("VMware Photon OS", "AlterOS", "RED OS", "ALT", "Rocky", "Alinux", "openEuler"),
    ),
    "Suse": (
        *("SLES", "SUSE Enterprise Server", "SUSE  Enterprise Server", "SLED", "openSUSE", "SUSE"),
        *("openSUSE Leap", "openSUSE Tumbleweed", "SLES_SAP", "alfaLinux", "alfaLinux Rise"),
    ),
    "Arch": ("Arch ARM", "Manjaro", "Manjaro ARM", "Antergos", "EndeavourOS"),
    "Mandriva": ("Mandrake",),
    "VMware": ("VMwareESX",),
    "Slackware": ("Slamd64",),
    "Bluewhite": ("Bluewhite64",),
    "Gentoo": ("Funtoo",),
}
_FAMILY_OF: Final = {name: family for family, members in _FAMILIES.items() for name in members}

_NAMED_BY_OS: Final = ("Debian", "Raspbian", "AlmaLinux")
"""Their `osfinger` begins with `os`, that of all others with `osfullname`."""
_FINGER_BY_RELEASE: Final = ("Ubuntu", "Pop", "NixOS")
"""Their `osfinger` ends with the whole release, that of all others with its first number."""


def parse_assignments(text: str) -> dict[str, str]:
    """Read a file of shell assignments, such as /etc/os-release; other lines are left out."""
    found: dict[str, str] = {}
    for line in text.splitlines():
        name, equals, value = line.strip().partition("=")
        if not equals or name.startswith("#"):
            continue
        try:
            words = shlex.split(value)
        except ValueError:
            continue
        found[name] = " ".join(words)
    return found


def distribution(read: Callable[[str], str | None]) -> dict[str, Any]:
    """Work the grains out from `/etc/os-release` and its older kin; `read` gives a file or None."""
    release = parse_assignments(read("/etc/os-release") or read("/usr/lib/os-release") or "")
    lsb = _lsb(read("/etc/lsb-release") or "")
    grains: dict[str, Any] = {**lsb}
    name = release.get("NAME", "").strip()
    if name:
        grains["osfullname"] = name
        grains["os"] = _short_name(name, release.get("ID", ""))
    if "lsb_distrib_id" not in lsb and release:
        _fill_lsb(grains, release, read)
    grains.setdefault("osfullname", grains.get("lsb_distrib_id", "").strip() or "Linux")
    version = _version(grains, release, read)
    grains["osrelease"] = version
    grains["oscodename"] = _codename(grains, release)
    grains.setdefault("os", _short_name(grains["osfullname"], ""))
    if "SUSE_SUPPORT_PRODUCT" in release and "SUSE_SUPPORT_PRODUCT_VERSION" in release:
        _name_by_product(grains, release)
    grains["os_family"] = _FAMILY_OF.get(grains["os"], grains["os"])
    grains.update(_release_parts(grains["os"], grains["osfullname"], grains["osrelease"]))
    return grains


def _short_name(full: str, identity: str) -> str:
    special = {
        ("astra", "Astra Linux (Orel)"): "AstraLinuxCE",
        ("astra", "Astra Linux (Smolensk)"): "AstraLinuxSE",
        ("pop", "Pop!_OS"): "Pop",
    }
    if (identity, full) in special:
        return special[identity, full]
    bare = _LINUX.sub("", full).strip()
    return _SHORT_NAMES.get(bare.replace(" ", "").lower()[:10], bare)


def _lsb(text: str) -> dict[str, str]:
    return {
        f"lsb_{name.lower()}": value.rstrip()
        for name, value in parse_assignments(text).items()
        if name in ("DISTRIB_ID", "DISTRIB_RELEASE", "DISTRIB_CODENAME", "DISTRIB_DESCRIPTION")
        and value
    }


def _fill_lsb(
    grains: dict[str, Any], release: Mapping[str, str], read: Callable[[str], str | None]
) -> None:
    """Where there is no /etc/lsb-release, its grains are made from os-release, as Salt does."""
    if "NAME" in release:
        grains["lsb_distrib_id"] = release["NAME"].strip()
    if "VERSION_ID" in release:
        grains["lsb_distrib_release"] = release["VERSION_ID"]
    if "VERSION_CODENAME" in release:
        grains["lsb_distrib_codename"] = release["VERSION_CODENAME"]
    elif "PRETTY_NAME" in release:
        grains["lsb_distrib_codename"] = release["PRETTY_NAME"]
    vendor, version = _cpe(release.get("CPE_NAME", ""))
    if vendor in ("suse", "opensuse"):
        grains["os"] = "SUSE"
        if release.get("NAME") == "openSUSE Leap":
            grains["osfullname"] = "Leap"
        elif release.get("VERSION") == "Tumbleweed":
            grains["osfullname"] = "Tumbleweed"
        if vendor == "opensuse" and version:
            grains["lsb_distrib_release"] = version
    if grains.get("os") in ("Rocky", "AlmaLinux"):
        inner = re.search(r"\(([^)]*)\)", grains.get("lsb_distrib_codename", ""))
        if inner:
            grains["lsb_distrib_codename"] = inner.group(1)
    if any(each in grains.get("lsb_distrib_codename", "") for each in _WITHOUT_MINOR):
        exact = re.search(r"\d+(?:\.\d+)+", read("/etc/centos-release") or "")
        if exact:  # os-release of CentOS names no minor release
            grains["lsb_distrib_release"] = exact.group()


_WITHOUT_MINOR: Final = ("CentOS Linux 7", "CentOS Linux 8")


def _cpe(text: str) -> tuple[str, str]:
    """Give vendor and version of a CPE name of either form, empty where there is none."""
    parts = text.split(":")
    if len(parts) > 4 and parts[0] == "cpe":
        fields = parts[2:5] if parts[1].startswith("/") else parts[3:6]
        if len(fields) == 3:
            return fields[0].lower(), "" if fields[2] == "*" else fields[2]
    return "", ""


def _version(
    grains: Mapping[str, Any], release: Mapping[str, str], read: Callable[[str], str | None]
) -> str:
    if release.get("ID") == "mendel":
        words = release.get("PRETTY_NAME", "").split()
        return words[2] if len(words) > 2 else ""
    found = str(grains.get("lsb_distrib_release") or release.get("VERSION_ID") or "").strip()
    if not found and release.get("ID") == "debian":  # testing and unstable have no number
        found = (read("/etc/debian_version") or "").strip()
    return found or release.get("BUILD_ID", "")


def _codename(grains: Mapping[str, Any], release: Mapping[str, str]) -> str:
    found = str(grains.get("lsb_distrib_codename", "")).strip()
    if found and "Red Hat" not in found:
        return found
    inner = re.search(r"\(([^)]*)\)", release.get("VERSION", ""))
    return release.get("VERSION_CODENAME", "") or (inner.group(1) if inner else "")


def _name_by_product(grains: dict[str, Any], release: Mapping[str, str]) -> None:
    """SUSE Linux Micro calls itself SLES; its product says what it is."""
    product, version = release["SUSE_SUPPORT_PRODUCT"], release["SUSE_SUPPORT_PRODUCT_VERSION"]
    grains["oscodename"] = release.get("SUSE_PRETTY_NAME", f"{product} {version}")
    grains["osrelease"] = version
    if product == "SUSE Linux Micro":
        grains["osfullname"] = "SL-Micro"


def _release_parts(name: str, full: str, version: str) -> dict[str, Any]:
    parts: list[int | str] = [int(each) if each.isdigit() else each for each in version.split(".")]
    grains: dict[str, Any] = {"osrelease_info": parts}
    if isinstance(parts[0], int):
        grains["osmajorrelease"] = parts[0]
    shown = name if name in _NAMED_BY_OS else full
    ending = version if name in _FINGER_BY_RELEASE else parts[0]
    grains["osfinger"] = f"{shown}-{ending}"
    return grains
