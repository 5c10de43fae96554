"""`disk.*`: file systems, their sizes, and what block devices are."""

import re

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.ports.machine import Command, Completed

_HANGING_S = 2.0
"""A file system that does not answer within this is left out."""
_COMMAND_S = 60.0


def usage(context: FunctionContext, args: str | None = None) -> dict[str, dict[str, str]]:
    """Give sizes of the mounted file systems in KiB, by mount point.

    `args` are flags of `df`: `a` takes those without a size as well, `l` leaves remote ones out.
    CLI Example: limpet run '*' disk.usage
    """
    flags = _flags(args, "disk.usage")
    found: dict[str, dict[str, str]] = {}
    for device, place, size in _sizes(context, flags):
        used = size["used"] // 1024
        available = size["free"] // 1024
        found[place] = {
            "filesystem": device,
            "1K-blocks": str(size["total"] // 1024),
            "used": str(used),
            "available": str(available),
            "capacity": _percent(used, used + available),
        }
    return found


def inodeusage(context: FunctionContext, args: str | None = None) -> dict[str, dict[str, str]]:
    """Give how many inodes the mounted file systems have and use, by mount point.

    CLI Example: limpet run '*' disk.inodeusage
    """
    flags = _flags(args, "disk.inodeusage")
    found: dict[str, dict[str, str]] = {}
    for device, place, size in _sizes(context, flags):
        used = size["inodes"] - size["inodes_free"]
        found[place] = {
            "inodes": str(size["inodes"]),
            "used": str(used),
            "free": str(size["inodes_free"]),
            "use": _percent(used, size["inodes"]),
            "filesystem": device,
        }
    return found


def percent(context: FunctionContext, args: str | None = None) -> str | dict[str, str]:
    """Give how full the mounted file systems are, or the one of a mount point.

    CLI Example: limpet run '*' disk.percent /var
    """
    found = {place: each["capacity"] for place, each in usage(context).items()}
    if not args:
        return found
    return found.get(args, {})


def blkid(
    context: FunctionContext, device: str | None = None, token: str | None = None
) -> dict[str, dict[str, str]]:
    """Give what `blkid` says of block devices: UUID, TYPE, LABEL and more.

    CLI Example: limpet run '*' disk.blkid device=/dev/sda1
    """
    words = [device] if device else ["-t", token] if token else []
    answer = _run(context, "blkid", *words)
    found: dict[str, dict[str, str]] = {}
    if answer.retcode != 0:
        return found
    for line in _text(answer).splitlines():
        name, _, rest = line.partition(": ")
        found[name] = dict(re.findall(r'(\w+)="([^"]*)"', rest))
    return found


def fstype(context: FunctionContext, device: str) -> str:
    """Give the type of the file system on a device; empty if it has none.

    CLI Example: limpet run '*' disk.fstype /dev/sda1
    """
    if context.host.commands.which("lsblk"):
        lines = _text(_run(context, "lsblk", "-no", "fstype", device)).splitlines()
        if lines and lines[0].strip() and "not a block device" not in lines[0]:
            return lines[0].strip()
    for each in context.host.disks.partitions(True):
        if each["device"] == device:
            return str(each["fstype"])
    return ""


def get_fstype_from_path(context: FunctionContext, path: str) -> str:
    """Give the type of the file system that a path is on.

    CLI Example: limpet run '*' disk.get_fstype_from_path /root
    """
    best, kind = "", ""
    for each in context.host.disks.partitions(True):
        place = str(each["mountpoint"])
        inside = path == place or path.startswith(place.rstrip("/") + "/")
        if inside and len(place) >= len(best):
            best, kind = place, str(each["fstype"])
    return kind


def dump(
    context: FunctionContext, device: str, args: list[str] | None = None
) -> dict[str, str] | bool:
    """Give what `blockdev` says of a device: getsize64, getro and more; false if it fails.

    CLI Example: limpet run '*' disk.dump /dev/sda1
    """
    asked = (
        *("getro", "getsz", "getss", "getpbsz", "getiomin", "getioopt", "getalignoff"),
        *("getmaxsect", "getsize", "getsize64", "getra", "getfra"),
    )
    answer = _run(context, "blockdev", *(f"--{each}" for each in asked), device)
    if answer.retcode != 0:
        return False
    lines = [line for line in _text(answer).splitlines() if line]
    found = dict(zip(asked, lines, strict=False))
    unknown = [each for each in args or () if each not in found]
    if unknown:
        raise UsageError(f"disk.dump: there is no {unknown[0]!r} (there are {', '.join(found)})")
    return {each: found[each] for each in args} if args else found


def iostat(
    context: FunctionContext, interval: float = 1, count: int = 5, disks: list[str] | None = None
) -> dict[str, dict[str, float]]:
    """Watch reads and writes of disks for `count` intervals; give their averages per second.

    CLI Example: limpet run '*' disk.iostat interval=1 count=5 disks=sda
    """
    if interval <= 0 or count < 1:
        raise UsageError("disk.iostat: 'interval' and 'count' must be greater than 0")
    names = disks or [
        name
        for name in context.host.files.names("/sys/block")
        if not name.startswith(("loop", "ram"))
    ]
    before = {name: context.host.disks.counters(name) for name in names}
    unknown = [name for name in names if not before[name]]
    if disks and unknown:
        raise HostError(f"disk.iostat: there is no disk {unknown[0]!r}")
    context.host.system.sleep(interval * count)
    seconds = interval * count
    found: dict[str, dict[str, float]] = {}
    for name in names:
        after, earlier = context.host.disks.counters(name), before[name]
        if not after or not earlier:
            continue
        rate = {key: (after[key] - earlier[key]) / seconds for key in earlier}
        found[name] = {
            "r/s": round(rate["read_count"], 2),
            "w/s": round(rate["write_count"], 2),
            "rkB/s": round(rate["read_bytes"] / 1024, 2),
            "wkB/s": round(rate["write_bytes"] / 1024, 2),
            "%util": round(rate.get("busy_time", 0.0) / 10, 2),
        }
    return found


def hdparms(
    context: FunctionContext, disks: list[str], args: str = "aAbBcCdgHiJkMmNnQrRuW"
) -> dict[str, dict[str, str]]:
    """Give the parameters of disks that `hdparm` can read.

    CLI Example: limpet run '*' disk.hdparms /dev/sda
    """
    if not re.fullmatch(r"[a-zA-Z]+", args):
        raise UsageError(f"disk.hdparms: 'args' are single letters, not {args!r}")
    found: dict[str, dict[str, str]] = {}
    for disk in disks:
        path = disk if disk.startswith("/dev/") else f"/dev/{disk}"
        facts: dict[str, str] = {}
        for line in _text(_run(context, "hdparm", f"-{args}", path)).splitlines():
            name, separator, value = line.strip().partition("=")
            if separator:
                facts[name.strip().lower().replace(" ", "_")] = value.strip()
        found[path] = facts
    return found


_REMOTE = ("nfs", "nfs4", "cifs", "smb3", "afs", "ceph", "9p", "fuse.sshfs", "fuse.glusterfs")


def _sizes(context: FunctionContext, flags: str) -> list[tuple[str, str, dict[str, int]]]:
    """Give device, mount point and sizes as `df` lists them: no empty and no repeated ones."""
    found: dict[str, tuple[str, str, dict[str, int]]] = {}
    for each in context.host.disks.partitions(True):
        if "l" in flags and each["fstype"] in _REMOTE:
            continue
        size = context.host.disks.usage(each["mountpoint"], limit_s=_HANGING_S)
        if size is None or (size["total"] == 0 and "a" not in flags):
            continue
        device = str(each["device"])
        is_real = device.startswith("/dev/")
        if is_real and "a" not in flags:
            present = next((key for key, one in found.items() if one[0] == device), None)
            if present is not None:
                if len(present) <= len(each["mountpoint"]):
                    continue
                del found[present]
        found[each["mountpoint"]] = (device, str(each["mountpoint"]), size)
    return list(found.values())


def _percent(part: int, whole: int) -> str:
    """Round up, as `df` does."""
    return f"{-(-100 * part // whole)}%" if whole else "0%"


def _flags(args: str | None, function: str) -> str:
    flags = (args or "").replace("-", "")
    odd = next((each for each in flags if each not in "aHiklmPh"), None)
    if odd is not None:
        raise UsageError(f"Invalid flag passed to {function}: {odd!r}")
    return flags


def _run(context: FunctionContext, program: str, *words: str) -> Completed:
    path = context.host.commands.which(program, _path(context))
    if path is None:
        raise HostError(f"{program} is not installed")
    environment = {**context.host.commands.environment(), "LC_ALL": "C"}
    return context.host.commands.run(
        Command((path, *words), environment, cwd="/", timeout_s=_COMMAND_S)
    )


def _path(context: FunctionContext) -> str:
    """Give the search path with the places of system programs, which a user's may lack."""
    own = context.host.commands.environment().get("PATH", "")
    return ":".join(each for each in (own, "/usr/sbin", "/sbin", "/usr/bin", "/bin") if each)


def _text(answer: Completed) -> str:
    return answer.stdout.decode("utf-8", "replace")
