"""Reading the configuration anew while the master runs (SIGHUP): what is taken over, what is not.

SIGHUP ─▶ read ─ broken ─▶ told, and a problem until it is mended; all stays as it was
└─ whole ─▶ taken over; what differs and can't be is named: "needs a restart"
"""

from collections.abc import Callable
from typing import Final

import msgspec

from limpet.common.errors import LimpetError
from limpet.common.observability.logs import Log
from limpet.common.settings.master import MasterConfiguration
from limpet.common.settings.rendering import RenderingConfiguration
from limpet.master.core.settings import DAY_S, Changes

Read = Callable[[], MasterConfiguration]
"""Reads the configuration (anew)."""

TAKEN_OVER: Final = frozenset(RenderingConfiguration.__struct_fields__) | {
    "file_roots",
    "file_bytes_max",
    "pillar_roots",
    "nodegroups",
    "history_days",
    "history_jobs",
    "history_bytes_max",
    "job_timeout_s",
    "metrics_listen",
    "metrics_public",
    "log_level",
    "custom",
}
"""What is in force from the reload on, by the names of `MasterConfiguration`."""
NEEDS_RESTART: Final = frozenset(
    (
        "listen",
        "port",
        "enrol_port",
        "enrol_process",
        "user_group",
        "file_server_at_once",
        "return_bytes_max",
    )
)
"""What stays as it was at the start: ports and sockets, threads, and what minions were told."""


class Reloader:
    """The configuration that is in force, and what there is to say of the one in the file."""

    def __init__(
        self,
        read: Read,
        started: MasterConfiguration,
        *,
        apply: Callable[[MasterConfiguration], None],
        log: Log,
    ) -> None:
        """Begin with what the master was started with. `apply` takes over what the shell holds."""
        self._read = read
        self._started = started
        self._apply = apply
        self._log = log
        self._broken = ""
        self._waiting: tuple[str, ...] = ()

    @property
    def problems(self) -> tuple[str, ...]:
        """Say what ails the file, for `limpet status`; nothing if nothing does."""
        found = [self._broken] if self._broken else []
        if self._waiting:
            found.append(f"{_said(self._waiting)}: restart the master to put it in force")
        return tuple(found)

    def reload(self) -> Changes | None:
        """Read the file and take it over; gives what the core is told. None: it is broken."""
        try:
            configuration = self._read()
        except LimpetError as error:
            self._broken = f"the configuration is not taken over: {error}"
            self._log.error(self._broken)
            return None
        self._broken = ""
        self._waiting = tuple(
            sorted(
                key_of(name)
                for name in NEEDS_RESTART
                if getattr(configuration, name) != getattr(self._started, name)
            )
        )
        self._apply(configuration)
        self._log.info("the configuration was read again and is in force")
        if self._waiting:
            self._log.warning(f"{_said(self._waiting)}: this needs a restart of the master")
        return changes_of(configuration)


def changes_of(configuration: MasterConfiguration) -> Changes:
    """Give what the core is told of a configuration, at the start and at each reload."""
    return Changes(
        job_timeout_s=configuration.job_timeout_s,
        history_age_s=configuration.history_days * DAY_S,
        history_jobs_max=configuration.history_jobs,
        history_bytes_max=configuration.history_bytes_max,
        secret_keys=configuration.pillar_secret_keys,
        nodegroups=configuration.nodegroup_targets,
    )


def key_of(name: str) -> str:
    """Give the key in the file of a field."""
    for field in msgspec.structs.fields(MasterConfiguration):
        if field.name == name:
            return field.encode_name
    raise KeyError(name)


def _said(keys: tuple[str, ...]) -> str:
    has = "has" if len(keys) == 1 else "have"
    return f"{', '.join(f'`{key}`' for key in keys)} {has} changed in the configuration"
