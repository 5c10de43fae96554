"""What distributions say of themselves, and the grains that Salt makes of it."""

from collections.abc import Callable
from typing import Any

import pytest

from limpet.states.grains.distribution import distribution, parse_assignments


def files(**texts: str) -> Callable[[str], str | None]:
    paths = {
        "os": "/etc/os-release",
        "lsb": "/etc/lsb-release",
        "centos": "/etc/centos-release",
        "debian": "/etc/debian_version",
    }
    present = {paths[name]: text for name, text in texts.items()}
    return present.get


CASES: dict[str, tuple[dict[str, str], dict[str, Any]]] = {
    "Debian 12": (
        {
            "os": 'PRETTY_NAME="Debian GNU/Linux 12 (bookworm)"\nNAME="Debian GNU/Linux"\n'
            'VERSION_ID="12"\nVERSION="12 (bookworm)"\nVERSION_CODENAME=bookworm\nID=debian\n'
        },
        {
            "os": "Debian",
            "os_family": "Debian",
            "osfullname": "Debian GNU/Linux",
            "oscodename": "bookworm",
            "osrelease": "12",
            "osrelease_info": [12],
            "osmajorrelease": 12,
            "osfinger": "Debian-12",
            "lsb_distrib_id": "Debian GNU/Linux",
            "lsb_distrib_codename": "bookworm",
        },
    ),
    "Ubuntu 22.04": (
        {
            "os": 'PRETTY_NAME="Ubuntu 22.04.3 LTS"\nNAME="Ubuntu"\nVERSION_ID="22.04"\n'
            "VERSION_CODENAME=jammy\nID=ubuntu\nID_LIKE=debian\n",
            "lsb": "DISTRIB_ID=Ubuntu\nDISTRIB_RELEASE=22.04\nDISTRIB_CODENAME=jammy\n"
            'DISTRIB_DESCRIPTION="Ubuntu 22.04.3 LTS"\n',
        },
        {
            "os": "Ubuntu",
            "os_family": "Debian",
            "osrelease": "22.04",
            "osrelease_info": [22, 4],
            "oscodename": "jammy",
            "osfinger": "Ubuntu-22.04",
            "lsb_distrib_description": "Ubuntu 22.04.3 LTS",
        },
    ),
    "CentOS 7": (
        {
            "os": 'NAME="CentOS Linux"\nVERSION="7 (Core)"\nID="centos"\nID_LIKE="rhel fedora"\n'
            'VERSION_ID="7"\nPRETTY_NAME="CentOS Linux 7 (Core)"\n'
            'CPE_NAME="cpe:/o:centos:centos:7"\n',
            "centos": "CentOS Linux release 7.9.2009 (Core)\n",
        },
        {
            "os": "CentOS",
            "os_family": "RedHat",
            "osrelease": "7.9.2009",
            "osmajorrelease": 7,
            "oscodename": "CentOS Linux 7 (Core)",
            "osfinger": "CentOS Linux-7",
        },
    ),
    "CentOS Stream 9": (
        {
            "os": 'NAME="CentOS Stream"\nVERSION="9"\nID="centos"\nVERSION_ID="9"\n'
            'PRETTY_NAME="CentOS Stream 9"\n'
        },
        {"os": "CentOS Stream", "os_family": "RedHat", "osfinger": "CentOS Stream-9"},
    ),
    "RHEL 9.3": (
        {
            "os": 'NAME="Red Hat Enterprise Linux"\nVERSION="9.3 (Plow)"\nID="rhel"\n'
            'VERSION_ID="9.3"\nPRETTY_NAME="Red Hat Enterprise Linux 9.3 (Plow)"\n'
        },
        {
            "os": "RedHat",
            "os_family": "RedHat",
            "oscodename": "Plow",
            "osrelease_info": [9, 3],
            "osfinger": "Red Hat Enterprise Linux-9",
        },
    ),
    "Rocky 9.3": (
        {
            "os": 'NAME="Rocky Linux"\nVERSION="9.3 (Blue Onyx)"\nID="rocky"\nVERSION_ID="9.3"\n'
            'PRETTY_NAME="Rocky Linux 9.3 (Blue Onyx)"\n'
        },
        {
            "os": "Rocky",
            "os_family": "RedHat",
            "oscodename": "Blue Onyx",
            "osfinger": "Rocky Linux-9",
        },
    ),
    "AlmaLinux 9": (
        {
            "os": 'NAME="AlmaLinux"\nVERSION="9.3 (Shamrock Pampas Cat)"\nID="almalinux"\n'
            'VERSION_ID="9.3"\nPRETTY_NAME="AlmaLinux 9.3 (Shamrock Pampas Cat)"\n'
        },
        {
            "os": "AlmaLinux",
            "os_family": "RedHat",
            "oscodename": "Shamrock Pampas Cat",
            "osfinger": "AlmaLinux-9",
        },
    ),
    "Fedora 39": (
        {
            "os": 'NAME="Fedora Linux"\nVERSION="39 (Server Edition)"\nID=fedora\nVERSION_ID=39\n'
            'VERSION_CODENAME=""\nPRETTY_NAME="Fedora Linux 39 (Server Edition)"\n'
        },
        {"os": "Fedora", "os_family": "RedHat", "osfinger": "Fedora Linux-39"},
    ),
    "Amazon Linux 2": (
        {
            "os": 'NAME="Amazon Linux"\nVERSION="2"\nID="amzn"\nVERSION_ID="2"\n'
            'PRETTY_NAME="Amazon Linux 2"\nCPE_NAME="cpe:2.3:o:amazon:amazon_linux:2"\n'
        },
        {"os": "Amazon", "os_family": "RedHat", "osfinger": "Amazon Linux-2"},
    ),
    "Oracle 8": (
        {"os": 'NAME="Oracle Linux Server"\nID="ol"\nVERSION_ID="8.9"\n'},
        {"os": "OEL", "os_family": "RedHat", "osfinger": "Oracle Linux Server-8"},
    ),
    "openSUSE Leap 15.5": (
        {
            "os": 'NAME="openSUSE Leap"\nVERSION="15.5"\nID="opensuse-leap"\nVERSION_ID="15.5"\n'
            'PRETTY_NAME="openSUSE Leap 15.5"\nCPE_NAME="cpe:/o:opensuse:leap:15.5"\n'
        },
        {
            "os": "SUSE",
            "os_family": "Suse",
            "osfullname": "Leap",
            "osrelease": "15.5",
            "osfinger": "Leap-15",
        },
    ),
    "SLES 15 SP4": (
        {
            "os": 'NAME="SLES"\nVERSION="15-SP4"\nVERSION_ID="15.4"\nID="sles"\n'
            'PRETTY_NAME="SUSE Linux Enterprise Server 15 SP4"\n'
            'CPE_NAME="cpe:/o:suse:sles:15:sp4"\n'
        },
        {
            "os": "SUSE",
            "os_family": "Suse",
            "osrelease": "15.4",
            "oscodename": "SUSE Linux Enterprise Server 15 SP4",
            "osfinger": "SLES-15",
        },
    ),
    "Arch": (
        {
            "os": 'NAME="Arch Linux"\nPRETTY_NAME="Arch Linux"\nID=arch\nBUILD_ID=rolling\n',
            "lsb": 'DISTRIB_ID="Arch"\nDISTRIB_RELEASE="rolling"\n',
        },
        {
            "os": "Arch",
            "os_family": "Arch",
            "osrelease": "rolling",
            "osrelease_info": ["rolling"],
            "osfinger": "Arch Linux-rolling",
        },
    ),
    "Alpine 3.18": (
        {
            "os": 'NAME="Alpine Linux"\nID=alpine\nVERSION_ID=3.18.4\n'
            'PRETTY_NAME="Alpine Linux v3.18"\n'
        },
        {
            "os": "Alpine",
            "os_family": "Alpine",
            "oscodename": "Alpine Linux v3.18",
            "osrelease_info": [3, 18, 4],
            "osfinger": "Alpine Linux-3",
        },
    ),
    "Linux Mint": (
        {
            "os": 'NAME="Linux Mint"\nVERSION_ID="21.2"\nID=linuxmint\nID_LIKE="ubuntu debian"\n'
            "VERSION_CODENAME=victoria\n"
        },
        {"os": "Mint", "os_family": "Debian", "osfinger": "Linux Mint-21"},
    ),
    "Raspbian": (
        {"os": 'NAME="Raspbian GNU/Linux"\nVERSION_ID="11"\nID=raspbian\n'},
        {"os": "Raspbian", "os_family": "Debian", "osfinger": "Raspbian-11"},
    ),
    "Pop": (
        {"os": 'NAME="Pop!_OS"\nVERSION_ID="22.04"\nID=pop\n'},
        {"os": "Pop", "os_family": "Debian", "osfinger": "Pop!_OS-22.04"},
    ),
    "Debian testing": (
        {"os": 'NAME="Debian GNU/Linux"\nID=debian\n', "debian": "trixie/sid\n"},
        {"os": "Debian", "osrelease": "trixie/sid", "osfinger": "Debian-trixie/sid"},
    ),
    "SL Micro": (
        {
            "os": 'NAME="SLES"\nVERSION_ID="16.0"\nID="sles"\nPRETTY_NAME="SLES 16"\n'
            'CPE_NAME="cpe:/o:suse:sles:16:0"\nSUSE_SUPPORT_PRODUCT="SUSE Linux Micro"\n'
            'SUSE_SUPPORT_PRODUCT_VERSION="6.2"\n'
        },
        {"os_family": "Suse", "osfullname": "SL-Micro", "osrelease": "6.2"},
    ),
    "nothing known": ({}, {"os_family": "Linux", "osrelease": ""}),
}


@pytest.mark.parametrize("name", CASES)
def test_a_distribution_has_salts_grains(name: str) -> None:
    texts, expected = CASES[name]
    found = distribution(files(**texts))
    assert {key: found.get(key) for key in expected} == expected


def test_lines_that_are_no_assignments_are_left_out() -> None:
    text = "# a comment\n\nNAME='a b'\nbroken\nBAD=\"open\nEMPTY=\n"
    assert parse_assignments(text) == {"NAME": "a b", "EMPTY": ""}
