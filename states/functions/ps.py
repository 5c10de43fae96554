"""`ps.*`: processes, and what the machine has of processors, memory and disks."""

import re
from datetime import datetime
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.ports.machine import Command, Process

_HANGING_S = 2.0
_COMMAND_S = 60.0


def top(
    context: FunctionContext, num_processes: int = 5, interval: float = 3
) -> list[dict[str, Any]]:
    """Give the processes that used most processor time within some seconds, busiest first.

    CLI Example: limpet run '*' ps.top num_processes=10 interval=1
    """
    return [
        {
            "cmd": each["cmdline"] or each["name"],
            "user": each["username"],
            "status": each["status"],
            "pid": each["pid"],
            "create_time": each["create_time"],
            "cpu": each["times"],
            "mem": each["memory"],
        }
        for each in context.host.processes.busiest(num_processes, interval)
    ]


def get_pid_list(context: FunctionContext) -> list[int]:
    """Give the numbers of all processes.

    CLI Example: limpet run '*' ps.get_pid_list
    """
    return [each.pid for each in context.host.processes.all()]


def proc_info(context: FunctionContext, pid: int, attrs: list[str] | None = None) -> dict[str, Any]:
    """Give all facts about a process, or those named.

    CLI Example: limpet run '*' ps.proc_info 2322 attrs='[ppid, name]'
    """
    return context.host.processes.details(pid, attrs)


def kill_pid(context: FunctionContext, pid: int, signal: int = 15) -> bool:
    """Send a signal to a process; false if there is none of that number.

    CLI Example: limpet run '*' ps.kill_pid 2322 signal=9
    """
    return context.host.processes.signal(pid, signal)


def pkill(
    context: FunctionContext,
    pattern: str,
    user: str | None = None,
    signal: int = 15,
    full: bool = False,
) -> dict[str, list[int]] | None:
    """Send a signal to all processes whose name (with `full`: command line) holds a text.

    CLI Example: limpet run '*' ps.pkill httpd signal=9
    """
    if not pattern:
        raise UsageError("ps.pkill: the argument 'pattern' is empty, which fits every process")
    own = int(context.host.system.facts()["pid"])
    killed = [
        each.pid
        for each in context.host.processes.all()
        if each.pid != own
        and _fits(each, pattern, user, full)
        and context.host.processes.signal(each.pid, signal)
    ]
    return {"killed": killed} if killed else None


def pgrep(
    context: FunctionContext,
    pattern: str,
    user: str | None = None,
    full: bool = False,
    pattern_is_regex: bool = False,
) -> list[int] | None:
    """Give the numbers of the processes whose name (with `full`: command line) holds a text.

    CLI Example: limpet run '*' ps.pgrep httpd
    """
    wanted = _regex(pattern) if pattern_is_regex else pattern
    found = [each.pid for each in context.host.processes.all() if _fits(each, wanted, user, full)]
    return found or None


def psaux(context: FunctionContext, name: str) -> list[Any]:
    """Give the lines of `ps aux` that fit a regular expression, and how many there are.

    CLI Example: limpet run '*' ps.psaux www-data
    """
    pattern = _regex(name)
    lines = [
        line
        for line in _printed(context, "ps", "aux").splitlines()
        if pattern.search(line) and not re.search("limpet.+ps.psaux", line)
    ]
    return [name, lines, f"{len(lines)} occurrence(s)."]


def lsof(context: FunctionContext, name: str) -> list[str]:
    """Give what `lsof` says of the programs whose name begins with a text.

    CLI Example: limpet run '*' ps.lsof apache2
    """
    return [name, _printed(context, "lsof", "-c", name).rstrip()]


def netstat(context: FunctionContext, name: str) -> list[Any]:
    """Give the lines of `netstat` that hold a text.

    CLI Example: limpet run '*' ps.netstat apache2
    """
    lines = _printed(context, "netstat", "-nap").splitlines()
    return [name, [line for line in lines if name in line]]


def ss(context: FunctionContext, name: str) -> list[Any]:
    """Give the lines of `ss` that hold a text.

    CLI Example: limpet run '*' ps.ss apache2
    """
    lines = _printed(context, "ss", "-neap").splitlines()
    return [name, [line for line in lines if name in line]]


def status(context: FunctionContext, status: str) -> list[dict[str, Any]]:
    """Give number and name of the processes in a state: sleeping, running, zombie, stopped.

    CLI Example: limpet run '*' ps.status zombie
    """
    return [
        {"pid": each.pid, "name": each.name}
        for each in context.host.processes.all()
        if each.state == status
    ]


def cpu_percent(
    context: FunctionContext, interval: float = 0.1, per_cpu: bool = False
) -> float | list[float]:
    """Give how busy the processors were during the interval, in percent.

    CLI Example: limpet run '*' ps.cpu_percent
    """
    return context.host.system.cpu_percent(interval, per_cpu)


def cpu_times(
    context: FunctionContext, per_cpu: bool = False
) -> dict[str, float] | list[dict[str, float]]:
    """Give the seconds that the processors have spent, by mode.

    CLI Example: limpet run '*' ps.cpu_times
    """
    return context.host.system.cpu_times(per_cpu)


def virtual_memory(context: FunctionContext) -> dict[str, Any]:
    """Give the memory in bytes: total, available, used, free and more.

    CLI Example: limpet run '*' ps.virtual_memory
    """
    return context.host.system.virtual_memory()


def swap_memory(context: FunctionContext) -> dict[str, Any]:
    """Give the swap in bytes: total, used, free, percent, sin, sout.

    CLI Example: limpet run '*' ps.swap_memory
    """
    return context.host.system.swap_memory()


def total_physical_memory(context: FunctionContext) -> int:
    """Give the size of the memory in bytes.

    CLI Example: limpet run '*' ps.total_physical_memory
    """
    return int(context.host.system.virtual_memory()["total"])


def num_cpus(context: FunctionContext) -> int:
    """Give the number of processors.

    CLI Example: limpet run '*' ps.num_cpus
    """
    return context.host.system.cpu_count()


def boot_time(context: FunctionContext, time_format: str | None = None) -> int | str:
    """Give when the machine was started, in seconds since 1970 or in a format of strftime.

    CLI Example: limpet run '*' ps.boot_time time_format='%Y-%m-%d %H:%M'
    """
    since = int(context.host.system.boot_wall_s())
    if time_format is None:
        return since
    return datetime.fromtimestamp(since).astimezone().strftime(time_format)


def get_users(context: FunctionContext) -> list[dict[str, Any]]:
    """Give who is logged in: name, terminal, host, started, pid.

    CLI Example: limpet run '*' ps.get_users
    """
    return context.host.system.users()


def disk_partitions(context: FunctionContext, all: bool = False) -> list[dict[str, Any]]:  # noqa: A002
    """Give the mounted file systems; with `all` those without a device as well.

    CLI Example: limpet run '*' ps.disk_partitions
    """
    return context.host.disks.partitions(all)


def disk_usage(context: FunctionContext, path: str) -> dict[str, Any]:
    """Give total, used, free (bytes) and percent of the file system that a path is on.

    CLI Example: limpet run '*' ps.disk_usage /home
    """
    size = context.host.disks.usage(path, limit_s=_HANGING_S)
    if size is None:
        raise HostError(f"cannot tell the size of {path}: it is not there or does not answer")
    whole = size["used"] + size["free"]
    return {
        "total": size["total"],
        "used": size["used"],
        "free": size["free"],
        "percent": round(100 * size["used"] / whole, 1) if whole else 0.0,
    }


def disk_partition_usage(context: FunctionContext, all: bool = False) -> list[dict[str, Any]]:  # noqa: A002
    """Give the mounted file systems with their sizes; one that hangs has none.

    CLI Example: limpet run '*' ps.disk_partition_usage
    """
    found: list[dict[str, Any]] = []
    for each in context.host.disks.partitions(all):
        try:
            found.append({**each, **disk_usage(context, each["mountpoint"])})
        except HostError:
            found.append(dict(each))
    return found


def network_io_counters(
    context: FunctionContext, interface: str | None = None
) -> dict[str, Any] | bool:
    """Give the counters of the network, or of one interface; false if there is none of that name.

    CLI Example: limpet run '*' ps.network_io_counters interface=eth0
    """
    return context.host.system.network_counters(interface) or False


def disk_io_counters(context: FunctionContext, device: str | None = None) -> dict[str, Any] | bool:
    """Give the counters of all disks, or of one; false if there is none of that name.

    CLI Example: limpet run '*' ps.disk_io_counters device=sda
    """
    return context.host.disks.counters(device) or False


def _fits(process: Process, pattern: str | re.Pattern[str], user: str | None, full: bool) -> bool:
    text = " ".join(process.cmdline) if full else process.name
    is_named = pattern in text if isinstance(pattern, str) else bool(pattern.search(text))
    return is_named and (user is None or process.user == user)


def _regex(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise UsageError(f"{text!r} is not a regular expression: {error}") from None


def _printed(context: FunctionContext, program: str, *words: str) -> str:
    path = context.host.commands.which(program)
    if path is None:
        raise HostError(f"{program} is not installed")
    answer = context.host.commands.run(
        Command((path, *words), context.host.commands.environment(), cwd="/", timeout_s=_COMMAND_S)
    )
    return answer.stdout.decode("utf-8", "replace")
