"""Processors, memory, firmware and disks."""

from typing import Any

from limpet.states.ports.machine import Host

_FIRMWARE = {
    "biosversion": "bios_version",
    "biosvendor": "bios_vendor",
    "boardname": "board_name",
    "productname": "product_name",
    "manufacturer": "sys_vendor",
    "biosreleasedate": "bios_date",
    "uuid": "product_uuid",
    "serialnumber": "product_serial",
}


def processors(host: Host) -> dict[str, Any]:
    """Give `num_cpus`, `cpu_model`, `cpu_flags`, from /proc/cpuinfo."""
    grains: dict[str, Any] = {"num_cpus": host.system.cpu_count(), "cpu_model": "Unknown"}
    flags: list[str] = []
    for line in (host.files.read_text("/proc/cpuinfo") or "").splitlines():
        name, _, value = (each.strip() for each in line.partition(":"))
        if name in ("model name", "Processor", "cpu model"):
            grains["cpu_model"] = value
        elif name in ("flags", "Features"):
            flags = value.split()
        elif name == "vendor_id":
            grains["cpu_vendor"] = value
    grains["cpu_flags"] = flags
    return grains


def memory(host: Host) -> dict[str, Any]:
    """Give `mem_total` and `swap_total` in MiB."""
    found = {"mem_total": 0, "swap_total": 0}
    for line in (host.files.read_text("/proc/meminfo") or "").splitlines():
        words = line.split()
        if len(words) >= 2 and words[0] in ("MemTotal:", "SwapTotal:"):
            found["mem_total" if words[0] == "MemTotal:" else "swap_total"] = int(words[1]) // 1024
    return dict(found)


def firmware(host: Host) -> dict[str, Any]:
    """Give what the firmware says of the machine, as far as this user may read it."""
    grains: dict[str, Any] = {}
    for grain, name in _FIRMWARE.items():
        text = host.files.read_text(f"/sys/class/dmi/id/{name}", bytes_max=4096)
        if text is not None:
            told = text.encode("utf-8", "surrogateescape").decode("utf-8", "replace").strip()
            grains[grain] = told.lower() if grain == "uuid" else told
    vars_directory = next(
        (
            each
            for each in ("/sys/firmware/efi/efivars", "/sys/firmware/efi/vars")
            if host.files.exists(each)
        ),
        None,
    )
    grains["efi"] = vars_directory is not None
    grains["efi-secure-boot"] = vars_directory is not None and _is_boot_secure(host, vars_directory)
    return grains


def disks(host: Host) -> dict[str, Any]:
    """Give `disks` (turning) and `ssds`, and the arrays of md."""
    grains: dict[str, list[str]] = {"disks": [], "ssds": []}
    for name in host.files.names("/sys/block"):
        if (host.files.target(f"/sys/block/{name}") or "").startswith("../devices/virtual/"):
            continue
        turning = (host.files.read_text(f"/sys/block/{name}/queue/rotational") or "").strip()
        if turning == "1":
            grains["disks"].append(name)
        elif turning == "0":
            grains["ssds"].append(name)
    arrays = host.files.read_text("/proc/mdstat")
    if arrays is not None:
        grains["mdadm"] = sorted(
            line.split(" : ")[0]
            for line in arrays.splitlines()
            if " : " in line and not line.startswith("Personalities")
        )
    return dict(grains)


def _is_boot_secure(host: Host, directory: str) -> bool:
    for name in host.files.names(directory):
        if name.startswith("SecureBoot-"):
            path = f"{directory}/{name}" + ("" if directory.endswith("efivars") else "/data")
            return (host.files.read_text(path, bytes_max=4096) or "")[-1:] == "\x01"
    return False
