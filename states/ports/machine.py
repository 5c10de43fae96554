"""What functions, states and grains may ask of the machine they run on.

`limpet.states.host` answers with the real one, `tests/support` with a made-up one. Everything here
is bounded: a call that can wait takes a limit or says how long it waits. Refusals are `HostError`.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal, Protocol

from limpet.states.ports.file_system import FileSystem
from limpet.states.ports.packages import Packages
from limpet.states.ports.services import Services

OUTPUT_BYTES_MAX = 32 * 1024 * 1024
"""A command's output beyond this is read and thrown away, and the result says so."""


@dataclass(frozen=True, slots=True)
class Command:
    """One program to run, with everything that it gets."""

    argv: tuple[str, ...]
    environment: Mapping[str, str]
    """All of it; nothing is inherited beside it."""
    cwd: str | None = None
    stdin: bytes | None = None
    """None: an empty input."""
    user: str | None = None
    """Run as this account; its groups come along."""
    group: str | None = None
    umask: int | None = None
    timeout_s: float | None = None
    """After it the whole process group is ended, gently and then by force."""
    is_stderr_in_stdout: bool = False
    on_output: Callable[[bytes], None] | None = None
    """Handed each piece of output as it comes, from both streams."""


@dataclass(frozen=True, slots=True)
class Completed:
    """How a program ended."""

    pid: int
    retcode: int
    """Minus the signal's number if one ended it."""
    stdout: bytes
    stderr: bytes
    is_timed_out: bool = False
    is_cut: bool = False
    """There was more output than `OUTPUT_BYTES_MAX`."""


class Commands(Protocol):
    """Programs of this machine."""

    def run(self, command: Command) -> Completed:
        """Run it to its end. `HostError` if it can't be started, naming program and reason."""
        ...

    def start(self, command: Command) -> int:
        """Start it in a session of its own and give its pid; its output goes nowhere."""
        ...

    def which(self, name: str, path: str | None = None) -> str | None:
        """Give the full path of a program, searched in `path` or in this process's PATH."""
        ...

    def environment(self) -> dict[str, str]:
        """Give this process's own environment."""
        ...

    def login_environment(self, user: str, shell: str) -> dict[str, str]:
        """Give the environment that the account has after a login; bounded to some seconds."""
        ...


class Files(Protocol):
    """Files of this machine. Text is UTF-8; bytes that are not are kept as surrogates."""

    def read_text(self, path: str, *, bytes_max: int = 1024 * 1024) -> str | None:
        """Give the content, None if there is no such file or it can't be read."""
        ...

    def write_text(self, path: str, text: str, *, mode: int) -> None:
        """Replace the file whole, durably. Raises `HostError`."""
        ...

    def exists(self, path: str) -> bool:
        """Say whether anything has that name."""
        ...

    def is_directory(self, path: str) -> bool:
        """Say whether it is a directory."""
        ...

    def is_program(self, path: str) -> bool:
        """Say whether it is a file that this process may execute."""
        ...

    def names(self, directory: str) -> list[str]:
        """Give the names in a directory, sorted; none if it can't be read."""
        ...

    def target(self, link: str) -> str | None:
        """Give what a symbolic link points at, None if it is none."""
        ...

    def place_script(self, content: bytes, *, directory: str, suffix: str, user: str | None) -> str:
        """Write a new private file (0700) that `user` may run; give its path, a random one."""
        ...

    def remove(self, path: str) -> None:
        """Remove a file; one that is not there is fine."""
        ...


@dataclass(frozen=True, slots=True)
class Account:
    """One line of the account database."""

    name: str
    uid: int
    gid: int
    home: str
    shell: str
    fullname: str = ""
    gecos: str = ""
    """The whole comment: full name, room, phones and the rest, with commas between them."""
    password: str = "x"  # noqa: S105 — a mark that the hash is elsewhere
    """What stands in the database for all to read; `x`: the hash is in the shadow file."""


@dataclass(frozen=True, slots=True)
class Group:
    """One line of the group database."""

    name: str
    gid: int
    members: tuple[str, ...] = ()
    """Those that it names; users whose primary group it is do not stand here."""
    password: str = "x"  # noqa: S105 — a mark that the hash is elsewhere


class Accounts(Protocol):
    """Users and groups as this machine resolves them."""

    def all_users(self) -> list[Account]:
        """All accounts."""
        ...

    def all_groups(self) -> list[Group]:
        """All groups."""
        ...

    def user(self, name: str) -> Account | None:
        """Find an account by name."""
        ...

    def user_of(self, uid: int) -> Account | None:
        """Find an account by number."""
        ...

    def group_id(self, name: str) -> int | None:
        """Find a group's number by its name."""
        ...

    def group_name(self, gid: int) -> str | None:
        """Find a group's name by its number."""
        ...

    def own(self) -> tuple[int, int]:
        """Give the effective user and group of this process."""
        ...


@dataclass(frozen=True, slots=True)
class Address:
    """One address of an interface."""

    family: Literal["inet", "inet6"]
    address: str
    prefix: int
    broadcast: str = ""
    scope: str = ""
    label: str = ""
    """Its own name where one interface carries several: `eth0:1`."""


@dataclass(frozen=True, slots=True)
class Interface:
    """One network interface."""

    name: str
    is_up: bool
    hwaddr: str = ""
    addresses: tuple[Address, ...] = ()
    parent: str = ""


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the routing tables."""

    family: Literal["inet", "inet6"]
    destination: str
    """Network with prefix length; `0.0.0.0/0` or `::/0` is the default route."""
    gateway: str
    """Empty: directly reachable."""
    interface: str
    flags: str
    metric: int = 0


@dataclass(frozen=True, slots=True)
class Connection:
    """One socket of the machine."""

    protocol: Literal["tcp", "tcp6", "udp", "udp6"]
    local_address: str
    local_port: int
    remote_address: str
    remote_port: int
    state: str
    """`ESTABLISHED`, `LISTEN`, …; empty for UDP."""
    receive_queue: int = 0
    send_queue: int = 0
    inode: int = 0
    uid: int = 0
    pid: int = 0
    """0: unknown to this user."""
    program: str = ""


class Network(Protocol):
    """Interfaces, routes, sockets and names."""

    def interfaces(self) -> list[Interface]:
        """All interfaces, loopback included."""
        ...

    def routes(self) -> list[Route]:
        """All routes of both families."""
        ...

    def connections(self) -> list[Connection]:
        """All TCP and UDP sockets; the owning process where this user may know it."""
        ...

    def hostname(self) -> str:
        """Give the kernel's node name."""
        ...

    def full_name(self, *, limit_s: float) -> str:
        """Give the name with its domain, or the node name if the resolver does not answer."""
        ...

    def resolve(self, name: str, family: Literal["inet", "inet6"], *, limit_s: float) -> list[str]:
        """Give the addresses of a name; none if there are none, or no answer in time."""
        ...

    def reverse(self, address: str, *, limit_s: float) -> str:
        """Give the name of an address; empty if there is none, or no answer in time."""
        ...

    def connect(
        self, host: str, port: int, *, protocol: str, family: str | None, limit_s: float
    ) -> str:
        """Try to reach a port; give an empty text, or why it was not reached."""
        ...


@dataclass(frozen=True, slots=True)
class Process:
    """One process as it was when looked at."""

    pid: int
    ppid: int
    name: str
    cmdline: tuple[str, ...]
    user: str
    state: str
    started_wall_s: float
    cpu_user_s: float = 0.0
    cpu_system_s: float = 0.0
    memory: Mapping[str, int] = field(default_factory=dict)
    """`rss`, `vms` and what else the system tells, in bytes."""


class Processes(Protocol):
    """The process table."""

    def all(self) -> list[Process]:
        """All processes that this user may see."""
        ...

    def details(self, pid: int, attributes: Sequence[str] | None) -> dict[str, Any]:
        """Everything (or the named facts) about one process. `HostError` if it is not there."""
        ...

    def signal(self, pid: int, number: int) -> bool:
        """Send a signal; False if there is no such process."""
        ...

    def busiest(self, count: int, interval_s: float) -> list[dict[str, Any]]:
        """Give the processes that used most processor time within the interval, busiest first."""
        ...


class System(Protocol):
    """Processors, memory, time: the machine as a whole. Mappings keep psutil's field names."""

    def uname(self) -> Mapping[str, str]:
        """Give `system`, `node`, `release`, `version`, `machine`."""
        ...

    def cpu_count(self) -> int:
        """How many processors there are."""
        ...

    def cpu_percent(self, interval_s: float, per_cpu: bool) -> float | list[float]:
        """How busy the processors were during the interval."""
        ...

    def cpu_times(self, per_cpu: bool) -> dict[str, float] | list[dict[str, float]]:
        """Seconds that the processors have spent, by mode."""
        ...

    def load_average(self) -> tuple[float, float, float]:
        """Over 1, 5 and 15 minutes."""
        ...

    def virtual_memory(self) -> dict[str, Any]:
        """Memory in bytes: `total`, `available`, `percent`, `used`, `free` and more."""
        ...

    def swap_memory(self) -> dict[str, Any]:
        """Swap in bytes: `total`, `used`, `free`, `percent`, `sin`, `sout`."""
        ...

    def boot_wall_s(self) -> float:
        """When the machine was started, in seconds since 1970."""
        ...

    def users(self) -> list[dict[str, Any]]:
        """Who is logged in: `name`, `terminal`, `host`, `started`, `pid`."""
        ...

    def network_counters(self, interface: str | None) -> dict[str, Any]:
        """Bytes, packets, errors and drops of one interface or of all together."""
        ...

    def now(self) -> float:
        """Seconds since 1970."""
        ...

    def sleep(self, seconds: float) -> None:
        """Wait."""
        ...

    def random(self) -> float:
        """Give a number from 0 up to 1, not guessable."""
        ...

    def facts(self) -> Mapping[str, Any]:
        """Give what this process knows of itself: `version`, `executable`, `path`, `pid`."""
        ...


class Disks(Protocol):
    """File systems and block devices. A file system that does not answer is left out in time."""

    def partitions(self, every: bool) -> list[dict[str, Any]]:
        """Mounted file systems: `device`, `mountpoint`, `fstype`, `opts`."""
        ...

    def usage(self, path: str, *, limit_s: float) -> dict[str, int] | None:
        """Give `total`, `used`, `free` (bytes), `inodes`, `inodes_free`; None if it fails."""
        ...

    def counters(self, device: str | None) -> dict[str, Any]:
        """Count reads and writes of one device or of all together."""
        ...


class Host(Protocol):
    """The machine that this process runs on."""

    @property
    def commands(self) -> Commands:
        """Programs."""
        ...

    @property
    def files(self) -> Files:
        """Files."""
        ...

    @property
    def file_system(self) -> FileSystem:
        """Files as states handle them."""
        ...

    @property
    def accounts(self) -> Accounts:
        """Users and groups."""
        ...

    @property
    def network(self) -> Network:
        """The network."""
        ...

    @property
    def processes(self) -> Processes:
        """The process table."""
        ...

    @property
    def system(self) -> System:
        """The machine as a whole."""
        ...

    @property
    def disks(self) -> Disks:
        """File systems."""
        ...

    @property
    def services(self) -> Services:
        """Services."""
        ...

    @property
    def packages(self) -> Packages:
        """The package manager. Raises `HostError` where there is none that is supported."""
        ...
