"""`status.*`: how this machine is doing, from /proc."""

import fnmatch
import re
from datetime import UTC, datetime
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose

_HANGING_S = 2.0
"""A file system that does not say its size within this is shown without one."""

_DISK_FIELDS = (
    *("major", "minor", "device", "reads_issued", "reads_merged", "sectors_read"),
    *("ms_spent_reading", "writes_completed", "writes_merged", "sectors_written"),
    *("ms_spent_writing", "io_in_progress", "ms_spent_in_io", "weighted_ms_spent_in_io"),
)
_CPU_FIELDS = ("user", "nice", "system", "idle", "iowait", "irq", "softirq", "steal")
_RECEIVED = ("bytes", "packets", "errs", "drop", "fifo", "frame", "compressed", "multicast")
_SENT = ("bytes", "packets", "errs", "drop", "fifo", "colls", "carrier", "compressed")


def all_status(context: FunctionContext) -> dict[str, Any]:
    """Give everything that the other functions of this module give.

    CLI Example: limpet run '*' status.all_status
    """
    return {
        "cpuinfo": cpuinfo(context),
        "cpustats": cpustats(context),
        "diskstats": diskstats(context),
        "diskusage": diskusage(context),
        "loadavg": loadavg(context),
        "meminfo": meminfo(context),
        "netdev": netdev(context),
        "netstats": netstats(context),
        "uptime": uptime(context),
        "vmstats": vmstats(context),
        "w": w(context),
    }


def cpuinfo(context: FunctionContext) -> dict[str, Any]:
    """Give what /proc/cpuinfo says of the last processor, as Salt does.

    CLI Example: limpet run '*' status.cpuinfo
    """
    found: dict[str, Any] = {}
    for name, value in _pairs(_read(context, "/proc/cpuinfo")):
        found[name] = value.split() if name in ("flags", "Features") else value
    return found


def cpustats(context: FunctionContext) -> dict[str, Any]:
    """Give the counters of /proc/stat.

    CLI Example: limpet run '*' status.cpustats
    """
    found: dict[str, Any] = {}
    for line in _read(context, "/proc/stat").splitlines():
        name, *words = line.split() or [""]
        numbers = [int(word) for word in words]
        if name == "cpu":
            found[name] = dict(zip(_CPU_FIELDS, numbers, strict=False))
        elif name == "intr" and numbers:
            found[name] = {"total": numbers[0], "irqs": numbers[1:]}
        elif numbers:
            found[name] = numbers[0]
    return found


def diskstats(context: FunctionContext) -> dict[str, dict[str, Any]]:
    """Give the counters of /proc/diskstats, by device.

    CLI Example: limpet run '*' status.diskstats
    """
    found: dict[str, dict[str, Any]] = {}
    for line in _read(context, "/proc/diskstats").splitlines():
        words = line.split()
        if len(words) >= len(_DISK_FIELDS):
            values = [word if index == 2 else int(word) for index, word in enumerate(words)]
            found[words[2]] = dict(zip(_DISK_FIELDS, values, strict=False))
    return found


def diskusage(context: FunctionContext, *args: str) -> dict[str, dict[str, int | None]]:
    """Give `available` and `total` bytes of file systems: all, those of paths, or those of a type.

    CLI Example: limpet run '*' status.diskusage / 'ext?'
    """
    paths = [each for each in args if each.startswith("/")]
    types = [each for each in args if not each.startswith("/")] or ([] if paths else ["*"])
    for line in _read(context, "/proc/mounts").splitlines():
        words = line.split()
        if len(words) > 2 and any(fnmatch.fnmatchcase(words[2], each) for each in types):
            paths.append(re.sub(r"\\(\d{3})", lambda code: chr(int(code.group(1), 8)), words[1]))
    found: dict[str, dict[str, int | None]] = {}
    for path in dict.fromkeys(paths):
        if context.host.files.exists(path):
            usage = context.host.disks.usage(path, limit_s=_HANGING_S)
            found[path] = {
                "available": usage["free"] if usage else None,
                "total": usage["total"] if usage else None,
            }
    return found


def loadavg(context: FunctionContext) -> dict[str, float]:
    """Give the load average over 1, 5 and 15 minutes.

    CLI Example: limpet run '*' status.loadavg
    """
    one, five, fifteen = context.host.system.load_average()
    return {"1-min": one, "5-min": five, "15-min": fifteen}


def meminfo(context: FunctionContext) -> dict[str, dict[str, str]]:
    """Give what /proc/meminfo says.

    CLI Example: limpet run '*' status.meminfo
    """
    found: dict[str, dict[str, str]] = {}
    for name, value in _pairs(_read(context, "/proc/meminfo")):
        words = value.split()
        if words:
            found[name] = {"value": words[0], **({"unit": words[1]} if len(words) > 1 else {})}
    return found


def netdev(context: FunctionContext) -> dict[str, dict[str, Any]]:
    """Give the counters of the network interfaces.

    CLI Example: limpet run '*' status.netdev
    """
    found: dict[str, dict[str, Any]] = {}
    for line in _read(context, "/proc/net/dev").splitlines()[2:]:
        name, _, rest = line.partition(":")
        numbers = [int(word) for word in rest.split()]
        keys = [f"rx_{each}" for each in _RECEIVED] + [f"tx_{each}" for each in _SENT]
        found[name.strip()] = {"iface": name.strip(), **dict(zip(keys, numbers, strict=False))}
    return found


def netstats(context: FunctionContext) -> dict[str, dict[str, int]]:
    """Give the counters of the network protocols in /proc/net/netstat.

    CLI Example: limpet run '*' status.netstats
    """
    found: dict[str, dict[str, int]] = {}
    lines = _read(context, "/proc/net/netstat").splitlines()
    for head, body in zip(lines[::2], lines[1::2], strict=False):
        name, _, keys = head.partition(":")
        numbers = [int(word) for word in body.partition(":")[2].split()]
        found[name] = dict(zip(keys.split(), numbers, strict=False))
    return found


def nproc(context: FunctionContext) -> int:
    """Give the number of processors.

    CLI Example: limpet run '*' status.nproc
    """
    return context.host.system.cpu_count()


def pid(context: FunctionContext, sig: str) -> str:
    """Give the numbers of the processes whose command line fits a regular expression, one a line.

    CLI Example: limpet run '*' status.pid 'nginx: master'
    """
    pattern = _pattern(sig)
    own = int(context.host.system.facts()["pid"])
    return "\n".join(
        str(each.pid)
        for each in context.host.processes.all()
        if each.pid != own and pattern.search(" ".join(each.cmdline) or f"[{each.name}]")
    )


def procs(context: FunctionContext) -> dict[str, dict[str, str]]:
    """Give user and command line of all processes, by number.

    CLI Example: limpet run '*' status.procs
    """
    return {
        str(each.pid): {"user": each.user, "cmd": " ".join(each.cmdline) or f"[{each.name}]"}
        for each in context.host.processes.all()
    }


def time_(context: FunctionContext, format: str = "%A, %d. %B %Y %I:%M%p") -> str:  # noqa: A002
    """Give this machine's date and time.

    CLI Example: limpet run '*' status.time '%s'
    """
    now = datetime.fromtimestamp(context.host.system.now()).astimezone()
    return now.strftime(format)


def uptime(context: FunctionContext) -> dict[str, Any]:
    """Give for how long this machine is up and since when, and how many are logged in.

    CLI Example: limpet run '*' status.uptime
    """
    since = context.host.system.boot_wall_s()
    seconds = int(max(0.0, context.host.system.now() - since))
    return {
        "seconds": seconds,
        "since_iso": datetime.fromtimestamp(since, UTC).replace(tzinfo=None).isoformat(),
        "since_t": int(since),
        "days": seconds // 86400,
        "time": f"{seconds // 3600 % 24}:{seconds // 60 % 60:02d}",
        "users": len(context.host.system.users()),
    }


def version(context: FunctionContext) -> str:
    """Give the kernel's version line.

    CLI Example: limpet run '*' status.version
    """
    return _read(context, "/proc/version").strip()


def vmstats(context: FunctionContext) -> dict[str, int]:
    """Give the counters of /proc/vmstat.

    CLI Example: limpet run '*' status.vmstats
    """
    words = [line.split() for line in _read(context, "/proc/vmstat").splitlines()]
    return {each[0]: int(each[1]) for each in words if len(each) == 2}


def w(context: FunctionContext) -> list[dict[str, Any]]:
    """Give who is logged in, where, since when and from where.

    CLI Example: limpet run '*' status.w
    """
    return [
        {
            "user": each["name"],
            "tty": each["terminal"],
            "from": each["host"],
            "login": datetime.fromtimestamp(each["started"]).astimezone().strftime("%H:%M"),
        }
        for each in context.host.system.users()
    ]


def custom(context: FunctionContext) -> dict[str, Any]:
    """Give chosen values, as `custom:` in the configuration says.

    There, `status.cpustats.custom: [ctxt, btime]` chooses two values of `status.cpustats`.
    CLI Example: limpet run '*' status.custom
    """
    found: dict[str, Any] = {}
    chosen = context.call("config.dot_vals", "status")
    for key, names in chosen.items():
        function = key.rpartition(".")[0]
        if function == "status.custom" or function.count(".") != 1:
            continue
        values: Loose = context.call(function)
        for name in [names] if isinstance(names, str) else names:
            is_there = isinstance(values, dict) and name in values
            found[name] = values[name] if is_there else "UNKNOWN"
    return found


def _read(context: FunctionContext, path: str) -> str:
    text = context.host.files.read_text(path, bytes_max=4 * 1024 * 1024)
    if text is None:
        raise HostError(f"cannot read {path}")
    return text


def _pairs(text: str) -> list[tuple[str, str]]:
    lines = [line.partition(":") for line in text.splitlines() if ":" in line]
    return [(name.strip(), value.strip()) for name, _, value in lines]


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"{text!r} is not a regular expression: {error}") from None
