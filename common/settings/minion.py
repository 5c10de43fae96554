"""`minion.yaml`: what a minion may be told. Without the file it needs `--master`."""

import re
from collections.abc import Iterator, Mapping
from typing import Annotated, Any, ClassVar, Final, Literal, NamedTuple

from msgspec import Meta, field
from msgspec.structs import replace

from limpet.common.errors import UsageError
from limpet.common.identifiers import minion_id
from limpet.common.observability.logs import Level, parse_level
from limpet.common.service.paths import Roots
from limpet.common.settings.addresses import host_port
from limpet.common.settings.loader import load, with_options
from limpet.common.settings.master import (
    PORT_DEFAULT,
    Port,
    default_roots,
    level_faults,
    port_faults,
    roots_faults,
)
from limpet.common.settings.metrics import metrics_faults
from limpet.common.settings.rendering import LISTS, RenderingConfiguration
from limpet.common.settings.source import Path as Way

MASTERS_MAX: Final = 16
_FUNCTION_GLOB: Final = re.compile(r"\A[a-z0-9_.*?\[\]!-]{1,140}\Z")

_SALT: Mapping[str, str] = {
    "master_port": "use `port`",
    "publish_port": "use `enrol_port`; commands have no port of their own",
    "master_finger": "use `master_key`, or a join string",
    "master_type": "not needed: every address in `master` is tried",
    "disable_modules": "use `refuse` with globs such as `cmd.*`",
    "user": "the service manager decides that, remove it",
    "root_dir": "use --root or LIMPET_ROOT",
    "log_file": "lines go to stderr, for the journal, remove it",
    "process_count_max": "use `jobs_at_once`",
    "auth_timeout": "not needed here, remove it",
    "acceptance_wait_time": "not needed here: a waiting minion asks for ever",
    "ping_interval": "not needed here, remove it",
}


class MasterAddress(NamedTuple):
    """One address of the master, with both of its ports."""

    host: str
    """A name, or a numeric address without brackets."""
    port: int
    enrol_port: int


class MinionConfiguration(RenderingConfiguration, frozen=True, kw_only=True):
    """All keys of `minion.yaml`. `load_minion` fills in what depends on the place."""

    LISTS: ClassVar[tuple[str, ...]] = ("master", "refuse", *LISTS)
    ROOTS: ClassVar[tuple[str, ...]] = ("file_roots", "pillar_roots")
    DURATIONS: ClassVar[tuple[str, ...]] = ("job_timeout", "render_timeout")
    SIZES: ClassVar[tuple[str, ...]] = ("job_memory_max", "file_cache_max", "render_memory_max")
    SECRETS: ClassVar[tuple[str, ...]] = ("join",)
    ELSEWHERE: ClassVar[Mapping[str, str]] = _SALT

    id: str | None = None
    """The minion's name; nothing: found once by Salt's rule and kept."""
    master: tuple[str, ...] = ()
    """`HOST`, `HOST:PORT` or `[ADDRESS]:PORT` of one master, tried in order; see `addresses`."""
    port: Port = PORT_DEFAULT
    enrol_port: Annotated[int, Meta(ge=0, le=65535)] = 0
    """0 or nothing in the file: the main port less one."""
    join: str | None = None
    """A join string; the file should then be readable by its owner only."""
    master_key: str | None = None
    """The master's public key, where there is no join string."""
    follow_machine_id: bool = True
    """Whether another machine id means another host, which makes a key of its own."""
    grains: dict[str, Any] = field(default_factory=dict)
    """Facts that the administrator adds."""
    file_client: Literal["remote", "local"] = "remote"
    """Where jobs find files and pillar: on the master, or in this minion's own roots."""
    file_roots: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """For `call --local` and `file_client: local`, as on the master."""
    pillar_roots: dict[str, tuple[str, ...]] = field(default_factory=dict)
    file_cache_bytes_max: Annotated[int, Meta(ge=1 << 20)] = field(
        default=2 << 30, name="file_cache_max"
    )
    """Of files that were brought here; those used longest ago give way."""
    saltenv: str | None = None
    """The environment of states; nothing: the top file decides."""
    pillarenv: str | None = None
    """The environment of pillar; nothing: all of them."""
    nodegroups: dict[str, str | tuple[str, ...]] = field(default_factory=dict)
    """For `N@` in top files, as on the master."""
    refuse: tuple[str, ...] = ()
    """Globs over functions that this minion never runs, whoever asks."""
    allow_code_sync: bool = True
    """Whether a shop's own modules are brought from the file roots and run (decision 007)."""
    jobs_at_once: Annotated[int, Meta(ge=1, le=64)] = 8
    job_timeout_s: Annotated[float, Meta(gt=0, le=365 * 86400.0)] | None = field(
        default=None, name="job_timeout"
    )
    """Upper limit for every job; nothing: only the command's own."""
    job_memory_bytes_max: Annotated[int, Meta(ge=32 << 20)] | None = field(
        default=None, name="job_memory_max"
    )
    """Memory for one job and its children; nothing: the workers' own default."""
    metrics_listen: str | None = None
    """`ADDRESS:PORT`, numeric, where metrics are served; nothing: nowhere."""
    metrics_public: bool = False
    """Whether that may be another address than loopback."""
    log_level: str = "info"
    custom: dict[str, Any] = field(default_factory=dict)
    """Keys of the user's own, for `config.get`; never read by limpet."""

    @property
    def level(self) -> Level:
        """The log level, parsed."""
        return parse_level(self.log_level)

    @property
    def addresses(self) -> tuple[MasterAddress, ...]:
        """The addresses of the master with their ports, in the order given."""
        found = []
        for text in self.master:
            host, own_port = host_port(text)
            port = own_port or self.port
            found.append(MasterAddress(host, port, self.enrol_port or port - 1))
        return tuple(found)

    def faults(self) -> Iterator[tuple[Way, str]]:
        """Say what the types can't."""
        if self.id is not None:
            yield from _fault(("id",), minion_id, self.id)
        for index, text in enumerate(self.master):
            yield from _fault(("master", index), host_port, text)
        if len(self.master) > MASTERS_MAX:
            yield ("master",), f"{len(self.master)} addresses; at most {MASTERS_MAX} are tried"
        yield from port_faults(self.port, self.enrol_port or self.port - 1)
        if self.join is not None:
            from limpet.common.crypto.joinstring import parse_join_string

            yield from _fault(("join",), parse_join_string, self.join)
        if self.master_key is not None:
            from limpet.common.crypto.keys import decode_key

            yield from _fault(("master_key",), decode_key, self.master_key)
        yield from roots_faults("file_roots", self.file_roots)
        yield from roots_faults("pillar_roots", self.pillar_roots)
        yield from self.rendering_faults()
        yield from metrics_faults(self.metrics_listen, is_public=self.metrics_public)
        for index, pattern in enumerate(self.refuse):
            if not _FUNCTION_GLOB.match(pattern):
                yield ("refuse", index), f"{pattern[:80]!a} is not a glob such as `cmd.*`"
        yield from level_faults(self.log_level)


def load_minion(roots: Roots, options: Mapping[str, Any] | None = None) -> MinionConfiguration:
    """Read `minion.yaml` of a place; `options` (keys as in the file) come from the command line.

    Raises `SourceError` or `UsageError`; both end the command with exit code 2.
    """
    configuration = with_options(load(MinionConfiguration, roots.config_file), options or {})
    return replace(
        configuration,
        id=None if configuration.id is None else minion_id(configuration.id),
        file_roots=configuration.file_roots or default_roots(roots.states_dir),
        pillar_roots=configuration.pillar_roots or default_roots(roots.pillar_dir),
    )


def require_master(configuration: MinionConfiguration, roots: Roots) -> None:
    """Refuse to start without any address of a master. Raises `UsageError`."""
    if not configuration.master:
        raise UsageError(
            f"no master is known: set `master: HOST` in {roots.config_file}, or use --master HOST"
        )


def _fault(way: Way, check: Any, text: str) -> Iterator[tuple[Way, str]]:  # noqa: ANN401
    """Turn what a parser says into a fault at the place of the value."""
    try:
        check(text)
    except UsageError as error:
        yield way, str(error)
