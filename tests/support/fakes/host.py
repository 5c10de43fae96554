"""A made-up machine behind the ports of `limpet.states`: it has what a test gives it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose, Places, RunningJob
from limpet.states.host.filesystem import LocalFileSystem
from limpet.states.host.services.manager import services_of
from limpet.states.ports.file_system import FileSystem
from limpet.states.ports.machine import (
    Account,
    Command,
    Completed,
    Connection,
    Group,
    Interface,
    Process,
    Route,
)
from limpet.states.ports.packages import Packages
from limpet.states.ports.services import Services
from support.fakes.packages import FakePackages


@dataclass
class FakeCommands:
    """Programs: those in `installed`; each run is noted in `ran` and answered by `answer`."""

    installed: dict[str, str] = field(default_factory=dict)
    answer: Callable[[Command], Completed] = lambda _command: Completed(7, 0, b"", b"")
    variables: dict[str, str] = field(
        default_factory=lambda: {"PATH": "/usr/bin:/bin", "SHELL": "/bin/sh"}
    )
    logins: dict[str, dict[str, str]] = field(default_factory=dict)
    ran: list[Command] = field(default_factory=list)
    started: list[Command] = field(default_factory=list)

    def run(self, command: Command) -> Completed:
        self.ran.append(command)
        return self.answer(command)

    def start(self, command: Command) -> int:
        self.started.append(command)
        return 4711

    def which(self, name: str, path: str | None = None) -> str | None:
        return self.installed.get(name)

    def environment(self) -> dict[str, str]:
        return dict(self.variables)

    def login_environment(self, user: str, shell: str) -> dict[str, str]:
        return dict(self.logins.get(user, {"USER": user}))


@dataclass
class FakeFiles:
    """Files: texts by path; directories are what is above a file, and those named."""

    texts: dict[str, str] = field(default_factory=dict)
    directories: set[str] = field(default_factory=lambda: {"/", "/tmp", "/root"})
    links: dict[str, str] = field(default_factory=dict)
    programs: set[str] = field(default_factory=lambda: {"/bin/sh"})
    modes: dict[str, int] = field(default_factory=dict)

    def read_text(self, path: str, *, bytes_max: int = 1024 * 1024) -> str | None:
        text = self.texts.get(path)
        return None if text is None else text[:bytes_max]

    def write_text(self, path: str, text: str, *, mode: int) -> None:
        self.texts[path] = text
        self.modes[path] = mode

    def exists(self, path: str) -> bool:
        return path in self.texts or path in self.links or self.is_directory(path)

    def is_directory(self, path: str) -> bool:
        inside = path.rstrip("/") + "/"
        return path in self.directories or any(each.startswith(inside) for each in self.texts)

    def is_program(self, path: str) -> bool:
        return path in self.programs

    def names(self, directory: str) -> list[str]:
        inside = directory.rstrip("/") + "/"
        every = [*self.texts, *self.links, *self.directories]
        return sorted({e[len(inside) :].split("/")[0] for e in every if e.startswith(inside)})

    def target(self, link: str) -> str | None:
        return self.links.get(link)

    def place_script(self, content: bytes, *, directory: str, suffix: str, user: str | None) -> str:
        path = f"{directory}/script{suffix}"
        self.texts[path] = content.decode("utf-8", "surrogateescape")
        return path

    def remove(self, path: str) -> None:
        self.texts.pop(path, None)


@dataclass
class FakeAccounts:
    """Accounts: root, and those added."""

    users: list[Account] = field(
        default_factory=lambda: [Account("root", 0, 0, "/root", "/bin/bash")]
    )
    groups: dict[str, int] = field(default_factory=lambda: {"root": 0})
    members: dict[str, tuple[str, ...]] = field(default_factory=dict)

    def all_users(self) -> list[Account]:
        return list(self.users)

    def all_groups(self) -> list[Group]:
        return [Group(each, gid, self.members.get(each, ())) for each, gid in self.groups.items()]

    def user(self, name: str) -> Account | None:
        return next((each for each in self.users if each.name == name), None)

    def user_of(self, uid: int) -> Account | None:
        return next((each for each in self.users if each.uid == uid), None)

    def group_id(self, name: str) -> int | None:
        return self.groups.get(name)

    def group_name(self, gid: int) -> str | None:
        return next((name for name, number in self.groups.items() if number == gid), None)

    def own(self) -> tuple[int, int]:
        return 0, 0


@dataclass
class FakeNetwork:
    """A network: whatever a test puts in."""

    links: list[Interface] = field(default_factory=list)
    paths: list[Route] = field(default_factory=list)
    sockets: list[Connection] = field(default_factory=list)
    node: str = "web1"
    qualified: str = "web1.example.org"
    addresses: dict[str, list[str]] = field(default_factory=dict)
    unreachable: str = ""

    def interfaces(self) -> list[Interface]:
        return self.links

    def routes(self) -> list[Route]:
        return self.paths

    def connections(self) -> list[Connection]:
        return self.sockets

    def hostname(self) -> str:
        return self.node

    def full_name(self, *, limit_s: float) -> str:
        return self.qualified

    def resolve(self, name: str, family: Literal["inet", "inet6"], *, limit_s: float) -> list[str]:
        colons = family == "inet6"
        return [each for each in self.addresses.get(name, []) if (":" in each) == colons]

    def reverse(self, address: str, *, limit_s: float) -> str:
        return next((name for name, all_ in self.addresses.items() if address in all_), "")

    def connect(
        self, host: str, port: int, *, protocol: str, family: str | None, limit_s: float
    ) -> str:
        return self.unreachable


@dataclass
class FakeProcesses:
    """A process table; signals are noted."""

    table: list[Process] = field(default_factory=list)
    signals: list[tuple[int, int]] = field(default_factory=list)

    def all(self) -> list[Process]:
        return self.table

    def details(self, pid: int, attributes: Sequence[str] | None) -> dict[str, Any]:
        for each in self.table:
            if each.pid == pid:
                return {"pid": each.pid, "name": each.name}
        raise HostError(f"there is no process {pid}")

    def signal(self, pid: int, number: int) -> bool:
        self.signals.append((pid, number))
        return any(each.pid == pid for each in self.table)

    def busiest(self, count: int, interval_s: float) -> list[dict[str, Any]]:
        return []


@dataclass
class FakeSystem:
    """The machine as a whole; its clock moves only when somebody sleeps."""

    clock_s: float = 1_700_000_000.0
    slept: list[float] = field(default_factory=list)
    chance: float = 0.5
    logged_in: list[dict[str, Any]] = field(default_factory=list)

    def uname(self) -> Mapping[str, str]:
        return {
            "system": "Linux",
            "node": "web1",
            "release": "6.1.0-9-amd64",
            "version": "#1 SMP",
            "machine": "x86_64",
        }

    def cpu_count(self) -> int:
        return 2

    def cpu_percent(self, interval_s: float, per_cpu: bool) -> float | list[float]:
        return [1.0, 2.0] if per_cpu else 1.5

    def cpu_times(self, per_cpu: bool) -> dict[str, float] | list[dict[str, float]]:
        return [{"user": 1.0}] if per_cpu else {"user": 1.0}

    def load_average(self) -> tuple[float, float, float]:
        return 0.5, 0.25, 0.125

    def virtual_memory(self) -> dict[str, Any]:
        return {"total": 2048, "available": 1024}

    def swap_memory(self) -> dict[str, Any]:
        return {"total": 0}

    def boot_wall_s(self) -> float:
        return self.clock_s - 90_061.0

    def users(self) -> list[dict[str, Any]]:
        return self.logged_in

    def network_counters(self, interface: str | None) -> dict[str, Any]:
        return {"bytes_sent": 1} if interface in (None, "eth0") else {}

    def now(self) -> float:
        return self.clock_s

    def sleep(self, seconds: float) -> None:
        self.slept.append(seconds)
        self.clock_s += seconds

    def random(self) -> float:
        return self.chance

    def facts(self) -> Mapping[str, Any]:
        return {
            "version": "3.11.7",
            "version_info": [3, 11, 7, "final", 0],
            "executable": "/usr/bin/python3",
            "path": ["/usr/lib/python3.11"],
            "pid": 4242,
            "ppid": 1,
            "encoding": "utf-8",
            "timezone": "UTC",
        }


@dataclass
class FakeDisks:
    """File systems: partitions and sizes by mount point; one without a size hangs."""

    mounted: list[dict[str, Any]] = field(default_factory=list)
    sizes: dict[str, dict[str, int]] = field(default_factory=dict)
    counted: dict[str, list[dict[str, Any]]] = field(default_factory=dict)

    def partitions(self, every: bool) -> list[dict[str, Any]]:
        return self.mounted

    def usage(self, path: str, *, limit_s: float) -> dict[str, int] | None:
        return self.sizes.get(path)

    def counters(self, device: str | None) -> dict[str, Any]:
        readings = self.counted.get(device or "", [])
        return readings.pop(0) if readings else {}


@dataclass
class FakeHost:
    """All ports of a made-up machine."""

    commands: FakeCommands = field(default_factory=FakeCommands)
    files: FakeFiles = field(default_factory=FakeFiles)
    file_system: FileSystem = field(default_factory=LocalFileSystem)
    """The real one: a test keeps to a directory of its own."""
    accounts: FakeAccounts = field(default_factory=FakeAccounts)
    network: FakeNetwork = field(default_factory=FakeNetwork)
    processes: FakeProcesses = field(default_factory=FakeProcesses)
    system: FakeSystem = field(default_factory=FakeSystem)
    disks: FakeDisks = field(default_factory=FakeDisks)
    packages: Packages = field(default_factory=FakePackages)

    @property
    def services(self) -> Services:
        """The manager that the made-up files and programs speak of."""
        return services_of(self.commands, self.files)


@dataclass
class FakeJobs:
    """The minion's jobs, as a test sets them."""

    jobs: list[RunningJob] = field(default_factory=list)
    killed: list[str] = field(default_factory=list)
    refreshed: int = 0
    is_deaf: bool = False

    def running(self) -> list[RunningJob]:
        return self.jobs

    def kill(self, jid: str) -> bool:
        if not any(each.jid == jid for each in self.jobs):
            return False
        self.killed.append(jid)
        return True

    def refresh_grains(self) -> None:
        if self.is_deaf:
            raise HostError("the minion did not answer")
        self.refreshed += 1


def make_context(
    host: FakeHost | None = None,
    *,
    root: Path = Path("/nowhere"),
    grains: Mapping[str, Any] | None = None,
    **more: Loose,
) -> FunctionContext:
    """Give a context on a made-up machine, with fixed grains unless `grains` is None."""
    fixed = None if grains is None else dict(grains)
    return FunctionContext(
        minion_id="web1",
        host=host if host is not None else FakeHost(),
        places=Places(root / "minion.yaml", root / "grains", root / "state"),
        load_grains=None if fixed is None else lambda _context: fixed,
        **more,
    )
