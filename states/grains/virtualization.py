"""What kind of machine this is: `virtual` and `virtual_subtype`, in Salt's words."""

from collections.abc import Callable
from typing import Any

from limpet.states.ports.machine import Host

_AS_THEY_ARE = ("qemu", "kvm", "oracle", "xen", "bochs", "chroot", "uml", "systemd-nspawn")

_CONTAINERS = {"lxc": "LXC", "podman": "Podman", "docker": "Docker"}

_BY_DMI: tuple[tuple[str, str, str], ...] = (
    ("RHEV Hypervisor", "kvm", "rhev"),
    ("oVirt", "kvm", "ovirt"),
    ("VirtualBox", "VirtualBox", ""),
    ("VMware", "VMware", ""),
    ("Parallels Software", "Parallels", ""),
    ("BHYVE", "bhyve", ""),
    ("QEMU", "kvm", ""),
    ("Bochs", "kvm", ""),
    ("SeaBIOS", "kvm", ""),
    ("Nutanix", "kvm", "Nutanix AHV"),
    ("Amazon EC2", "Nitro", "Amazon EC2"),
)
"""A word in the firmware's tables, `virtual`, `virtual_subtype`; the first that fits."""


def virtualization(host: Host, ask: Callable[..., str]) -> dict[str, Any]:
    """Find out by `systemd-detect-virt` or `virt-what`, the firmware's tables and /proc."""
    grains: dict[str, Any] = {"virtual": "physical"}
    if host.commands.which("virt-what"):
        grains.update(_from_word(ask("virt-what").split("\n")[0]))
    elif host.commands.which("systemd-detect-virt"):
        grains.update(_from_word(ask("systemd-detect-virt")))
    if grains["virtual"] == "physical":
        grains.update(_from_firmware(host))
    grains.update(_from_kernel(host))
    grains.update(_from_container(host))
    return grains


def _from_word(word: str) -> dict[str, Any]:
    if word in _AS_THEY_ARE:
        return {"virtual": word}
    for part, subtype in _CONTAINERS.items():
        if part in word:
            return {"virtual": "container", "virtual_subtype": subtype}
    for part, name in (
        ("vmware", "VMware"),
        ("microsoft", "VirtualPC"),
        ("hyperv", "HyperV"),
        ("parallels", "Parallels"),
        ("ibm_power-kvm", "kvm"),
    ):
        if part in word:
            return {"virtual": name}
    if "amazon" in word:
        return {"virtual": "Nitro", "virtual_subtype": "Amazon EC2"}
    if "nutanix" in word:
        return {"virtual": "kvm", "virtual_subtype": "Nutanix AHV"}
    return {}


def _from_firmware(host: Host) -> dict[str, Any]:
    told = " ".join(
        host.files.read_text(f"/sys/class/dmi/id/{name}", bytes_max=4096) or ""
        for name in ("sys_vendor", "product_name", "bios_vendor", "board_vendor")
    )
    if "Microsoft" in told and "Virtual Machine" in told:
        return {"virtual": "VirtualPC"}
    for word, virtual, subtype in _BY_DMI:
        if word in told:
            return {"virtual": virtual, **({"virtual_subtype": subtype} if subtype else {})}
    return {}


def _from_kernel(host: Host) -> dict[str, Any]:
    files = host.files
    grains: dict[str, Any] = {}
    if files.exists("/proc/vz/version"):
        grains["virtual"] = "openvzhn"
    elif files.exists("/proc/vz/veinfo"):
        grains["virtual"] = "openvzve"
    if any(files.is_directory(each) for each in ("/proc/sys/xen", "/sys/bus/xen", "/proc/xen")):
        capabilities = files.read_text("/proc/xen/capabilities")
        if files.exists("/proc/xen/xsd_kva") or "control_d" in (capabilities or ""):
            grains.update(virtual="xen", virtual_subtype="Xen Dom0")
        elif capabilities is not None or files.is_directory("/sys/bus/xen/drivers/xenconsole"):
            grains.update(virtual="xen", virtual_subtype="Xen PV DomU")
    if "QEMU Virtual CPU" in (files.read_text("/proc/cpuinfo") or ""):
        grains["virtual"] = "kvm"
    product = files.read_text("/sys/devices/virtual/dmi/id/product_name", bytes_max=4096) or ""
    if "Google" in product:
        grains["virtual"] = "gce"
    return grains


def _from_container(host: Host) -> dict[str, Any]:
    """Containers come last: they also run inside of virtual machines."""
    groups = host.files.read_text("/proc/1/cgroup") or ""
    if ":/lxc/" in groups or "container=lxc" in (host.files.read_text("/proc/1/environ") or ""):
        return {"virtual": "container", "virtual_subtype": "LXC"}
    if ":/kubepods/" in groups:
        return {"virtual_subtype": "kubernetes"}
    if ":/libpod_parent/" in groups:
        return {"virtual_subtype": "libpod"}
    if any(each in groups for each in (":/system.slice/docker", ":/docker/", ":/docker-ce/")):
        return {"virtual": "container", "virtual_subtype": "Docker"}
    return {}
