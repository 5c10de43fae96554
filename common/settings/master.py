"""`master.yaml`: what the master may be told. Without the file everything has a default."""

import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any, ClassVar, Final, Literal, get_args

from msgspec import Meta, field
from msgspec.structs import force_setattr, replace

from limpet.common.errors import UsageError
from limpet.common.observability.logs import Level, parse_level
from limpet.common.service.paths import Roots
from limpet.common.settings.addresses import is_numeric
from limpet.common.settings.loader import load, with_options
from limpet.common.settings.metrics import metrics_faults
from limpet.common.settings.rendering import LISTS, RenderingConfiguration
from limpet.common.settings.source import Path as Way

PORT_DEFAULT = 4506
Port = Annotated[int, Meta(ge=1, le=65535)]
ANY_ADDRESS = "*"
_GROUP: Final = re.compile(r"\A[A-Za-z_][A-Za-z0-9_.-]{0,31}\Z")
_IPV6_OF_THIS_HOST: Final = Path("/proc/self/net/if_inet6")
"""Not below /proc/net, which a service that sees nothing but processes there has not."""
_ENROL_VARIABLE: Final = "LIMPET_ENROL"
EnrolProcess = Literal["own", "service"]

_SALT: Mapping[str, str] = {
    "interface": "use `listen`",
    "ipv6": "both families are listened on; `listen` restricts them",
    "ret_port": "use `port`",
    "master_port": "use `port`",
    "publish_port": "use `enrol_port`; commands have no port of their own",
    "keep_jobs": "use `history_days`",
    "keep_jobs_seconds": "use `history_days`",
    "auto_accept": "make a join string with `limpet token create` instead",
    "open_mode": "make a join string with `limpet token create` instead",
    "autosign_file": "make a join string with `limpet token create` instead",
    "worker_threads": "not needed here, remove it",
    "timeout": "use `job_timeout` (how long a job may run)",
    "user": "the service manager decides that, remove it",
    "root_dir": "use --root or LIMPET_ROOT",
    "log_level_logfile": "use `log_level`; lines go to stderr",
    "log_file": "lines go to stderr, for the journal, remove it",
}


class MasterConfiguration(RenderingConfiguration, frozen=True, kw_only=True):
    """All keys of `master.yaml`. `load_master` fills in what depends on the place."""

    LISTS: ClassVar[tuple[str, ...]] = ("listen", *LISTS)
    ROOTS: ClassVar[tuple[str, ...]] = ("file_roots", "pillar_roots")
    DURATIONS: ClassVar[tuple[str, ...]] = ("job_timeout", "render_timeout")
    SIZES: ClassVar[tuple[str, ...]] = (
        "history_bytes_max",
        "return_bytes_max",
        "file_bytes_max",
        "render_memory_max",
    )
    ELSEWHERE: ClassVar[Mapping[str, str]] = _SALT

    listen: tuple[str, ...] = (ANY_ADDRESS,)
    """Numeric addresses; `*`: every one, of both families. To open, take `listen_addresses`."""
    port: Port = PORT_DEFAULT
    """For enrolled minions."""
    enrol_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """For minions whose key is not known yet; 0 or nothing in the file: `port` less one."""
    enrol_process: EnrolProcess | None = None
    """Who serves that port; nothing in the file: as `LIMPET_ENROL` says, else `own`."""
    file_roots: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Environment to directories of states, absolute; the first that has a file wins."""
    pillar_roots: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Environment to directories of pillar, absolute."""
    nodegroups: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    """Name to compound target, or its words (as in Salt). See `nodegroup_targets`."""
    history_days: Annotated[float, Meta(gt=0, le=36500)] = 30.0
    """Ended jobs are kept for so long …"""
    history_jobs: Annotated[int, Meta(ge=1, le=100_000_000)] = 100_000
    """… and at most so many of them …"""
    history_bytes_max: Annotated[int, Meta(ge=1 << 20, le=1 << 50)] = 8 << 30
    """… and as many as take about so many bytes on disk."""
    return_bytes_max: Annotated[int, Meta(ge=65536, le=1 << 30)] = 16 << 20
    """A larger return of one job of one minion is cut, with a mark."""
    job_timeout_s: Annotated[float, Meta(gt=0, le=365 * 86400.0)] = field(
        default=86400.0, name="job_timeout"
    )
    """How long a job may run where the command does not say."""
    file_server_at_once: Annotated[int, Meta(ge=1, le=64)] = 4
    """Files read for minions at the same time: threads of the master."""
    file_bytes_max: Annotated[int, Meta(ge=1, le=1 << 50)] = 4 << 30
    """A larger file is served to nobody."""
    user_group: str = "limpet"
    """Members of this group may give commands; root may always."""
    metrics_listen: str | None = None
    """`ADDRESS:PORT`, numeric, where metrics are served; nothing: nowhere."""
    metrics_public: bool = False
    """Whether that may be another address than loopback."""
    log_level: str = "info"
    custom: dict[str, Any] = field(default_factory=dict)
    """Keys of the user's own, for `config.get`; never read by limpet."""

    def __post_init__(self) -> None:
        """Put the enrolment port beside the main one."""
        if self.enrol_port == 0:
            force_setattr(self, "enrol_port", self.port - 1)

    @property
    def listen_addresses(self) -> tuple[str, ...]:
        """The numeric addresses to open the ports on; `::` serves IPv4 as well."""
        if ANY_ADDRESS not in self.listen:
            return self.listen
        return ("::", "0.0.0.0") if _IPV6_OF_THIS_HOST.exists() else ("0.0.0.0",)  # noqa: S104

    @property
    def is_enrolment_a_service(self) -> bool:
        """Whether a service connects for the enrolment port, rather than a process of its own.

        Raises `UsageError` where the variable says neither.
        """
        said = self.enrol_process or os.environ.get(_ENROL_VARIABLE) or "own"
        if said not in get_args(EnrolProcess):
            raise UsageError(f"{_ENROL_VARIABLE} is {said[:40]!a}: use `own` or `service`")
        return said == "service"

    @property
    def level(self) -> Level:
        """The log level, parsed."""
        return parse_level(self.log_level)

    @property
    def nodegroup_targets(self) -> dict[str, str]:
        """Name to compound target, each one text."""
        return {
            name: target if isinstance(target, str) else " ".join(target)
            for name, target in self.nodegroups.items()
        }

    def faults(self) -> Iterator[tuple[Way, str]]:
        """Say what the types can't."""
        for index, address in enumerate(self.listen):
            if address != ANY_ADDRESS and not is_numeric(address):
                yield (("listen", index), f"{address[:80]!a} is not a numeric address")
        if not self.listen:
            yield ("listen",), "an address is missing; leave the key out to listen on all"
        yield from port_faults(self.port, self.enrol_port)
        yield from roots_faults("file_roots", self.file_roots)
        yield from roots_faults("pillar_roots", self.pillar_roots)
        if not _GROUP.match(self.user_group):
            yield ("user_group",), f"{self.user_group[:40]!a} is not the name of a group"
        yield from self._nodegroup_faults()
        yield from self.rendering_faults()
        yield from metrics_faults(self.metrics_listen, is_public=self.metrics_public)
        yield from level_faults(self.log_level)

    def _nodegroup_faults(self) -> Iterator[tuple[Way, str]]:
        """Find node groups that no command could ever use."""
        from limpet.common.targeting.target import compile_target

        targets = self.nodegroup_targets
        for name in targets:
            try:
                compile_target(name, "nodegroup", targets)
            except UsageError as error:
                yield ("nodegroups", name), str(error)


def load_master(roots: Roots, options: Mapping[str, Any] | None = None) -> MasterConfiguration:
    """Read `master.yaml` of a place; `options` (keys as in the file) come from the command line.

    Raises `SourceError` or `UsageError`; both end the command with exit code 2.
    """
    configuration = with_options(load(MasterConfiguration, roots.config_file), options or {})
    return replace(
        configuration,
        file_roots=configuration.file_roots or default_roots(roots.states_dir),
        pillar_roots=configuration.pillar_roots or default_roots(roots.pillar_dir),
    )


def default_roots(directory: Path) -> dict[str, tuple[str, ...]]:
    """Give the environments of somebody who configured none."""
    return {"base": (str(directory),)}


def port_faults(port: int, enrol_port: int) -> Iterator[tuple[Way, str]]:
    """Find ports that are not two."""
    if enrol_port == 0:
        yield ("port",), "port 1 leaves none below it: set `enrol_port` as well"
    if port == enrol_port:
        yield ("enrol_port",), f"{enrol_port} is the main port already: choose another"


def roots_faults(key: str, roots: Mapping[str, tuple[str, ...]]) -> Iterator[tuple[Way, str]]:
    """Find names that are no environments (they stand in paths) and directories that are none."""
    for environment, places in roots.items():
        if not environment or any(character in environment for character in "/?#\0 "):
            yield (key, environment), f"{environment[:80]!a} is not a name for an environment"
        for index, place in enumerate(places):
            if not place or "\0" in place:
                yield (key, environment, index), "a directory is expected"


def level_faults(text: str) -> Iterator[tuple[Way, str]]:
    """Find a log level that is none."""
    try:
        parse_level(text)
    except UsageError as error:
        yield ("log_level",), str(error)
