"""What every execution function is handed first: where it runs, for whom, with what.

A function reaches the machine through `context.host` alone, other functions through `context.call`,
and says by `context.retcode` that its answer is a failure. Nothing is injected into modules.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from limpet.common.errors import HostError
from limpet.common.service.paths import Roots
from limpet.states.ports.machine import Host
from limpet.states.ports.served import MasterSources
from limpet.states.ports.upgrades import Upgrades

Loose = Any
"""A value of any type that YAML or MessagePack gives; functions check what they need."""


@dataclass(frozen=True, slots=True)
class Places:
    """Where this minion keeps what functions may read and write."""

    configuration_file: Path
    """`minion.yaml`."""
    grains_file: Path
    """Grains that `grains.setval` and its kin keep; YAML."""
    state_directory: Path
    """Private to root: caches, scripts that are about to run."""

    @classmethod
    def of(cls, roots: Roots) -> "Places":
        """Give the places that belong to the minion's roots."""
        return cls(roots.config_file, roots.config_dir / "grains", roots.state_dir)


@dataclass(frozen=True, slots=True)
class RunningJob:
    """One job that runs on this minion now."""

    jid: str
    function: str
    pid: int
    user: str
    arguments: tuple[Any, ...] = ()
    started_wall_s: float = 0.0
    target: str = ""


class RunningJobs(Protocol):
    """The minion's own jobs, asked through the worker's line to the link; every call is bounded.

    All raise `HostError` where no minion runs here or its link does not answer in time.
    """

    def running(self) -> list[RunningJob]:
        """List the jobs that run now, the asking one included."""
        ...

    def kill(self, jid: str) -> bool:
        """End a job's whole process tree. False: no such job runs here."""
        ...

    def refresh_grains(self) -> None:
        """Have the link collect the grains again and tell the master."""
        ...


class NoLink:
    """Stands where no minion runs: `limpet call --local`."""

    def running(self) -> list[RunningJob]:
        """Give no jobs: nothing runs beside this call."""
        return []

    def kill(self, jid: str) -> bool:
        """Raise `HostError`: there is nobody to ask."""
        raise HostError(
            f"cannot end job {jid}: this call runs without the minion; leave --local out"
        )

    def refresh_grains(self) -> None:
        """Do nothing: grains are collected afresh by every local call."""


class Caller(Protocol):
    """Calls an execution function by its public name (`registry.call`, or a twin in a test)."""

    def __call__(
        self,
        name: str,
        positional: list[Any],
        keyword: dict[str, Any],
        context: "FunctionContext",
    ) -> Loose:
        """Call it. Raises `UsageError` for wrong arguments, `HostError` for failures."""
        ...


def _drop(_output: bytes) -> None:
    """Take live output where nobody watches."""


def _unmasked(value: Any) -> Any:  # noqa: ANN401
    """Leave a value as it is: nothing in it is secret."""
    return value


@dataclass(slots=True, kw_only=True)
class FunctionContext:
    """The context of one call. Not shared between threads."""

    minion_id: str
    host: Host
    """This machine, behind ports."""
    places: Places
    configuration: Mapping[str, Any] = field(default_factory=dict)
    """`minion.yaml` as a mapping; the user's own keys stand under `custom`."""
    load_grains: Callable[["FunctionContext"], Mapping[str, Any]] | None = None
    """Asked at most once, when grains are first needed; None: kept ones, or collected ones."""
    pillar: Mapping[str, Any] = field(default_factory=dict)
    jid: str = ""
    """The job's id; empty for a local call."""
    user: str = "root"
    """Who asked, as the master knows them."""
    is_published: bool = True
    """A person called the function, by `limpet run` or `limpet call`; False inside another call.
    `cmd.run` takes a shell by itself only for people, as in Salt."""
    jobs: RunningJobs = field(default_factory=NoLink)
    sources: MasterSources | None = None
    """Files and pillar of the master; None: those of the minion's own roots (`--local`, or
    `file_client: local`)."""
    upgrades: Callable[[], Upgrades] | None = None
    """Gives the minion's own package; None where no minion runs (`--local`)."""
    stream: Callable[[bytes], None] = _drop
    """Hands over live output, as it comes. Never blocks for long, never raises."""
    is_followed: bool = False
    """Somebody watches the live output: runs of states tell how far they are."""
    mask: Callable[[Any], Any] = _unmasked
    """Gives a value without what must not be kept or shown: values of secret pillar keys."""
    caller: Caller | None = None
    """What `call` uses; None: the registry."""
    retcode: int = 0
    """Set by a function whose answer is a failure (Salt: `__context__["retcode"]`)."""
    kept: dict[str, Any] = field(default_factory=dict)
    """What the functions of one job keep for one another, by names that begin with a module's
    (Salt: the rest of `__context__`). Copies made by `replace` share it."""
    _grains: Mapping[str, Any] | None = None

    @property
    def grains(self) -> Mapping[str, Any]:
        """The facts of this host with the configured grains on top."""
        if self._grains is None:
            if self.load_grains is not None:
                self._grains = self.load_grains(self)
            else:
                from limpet.states.grains import loading  # costs nothing until it is needed

                self._grains = loading.load(self)
        return self._grains

    def configured(self, key: str, default: Loose = None) -> Loose:
        """Give a setting by Salt's name; those that limpet has not stand under `custom`."""
        found = self.configuration.get(key)
        if found is None:
            found = (self.configuration.get("custom") or {}).get(key)
        return default if found is None else found

    def forget_grains(self) -> None:
        """Have them loaded again when they are next needed: a grain was changed."""
        self._grains = None

    def call(self, name: str, /, *positional: Loose, **keyword: Loose) -> Loose:
        """Call another execution function; a retcode that it sets stands for the whole call."""
        caller = self.caller
        if caller is None:
            from limpet.states.functions import registry  # it imports this module

            caller = registry.call
        was_published = self.is_published
        self.is_published = False
        try:
            return caller(name, list(positional), keyword, self)
        finally:
            self.is_published = was_published

    def retcode_of(self, value: object) -> int:
        """Give the call's retcode: the one that was set, else 1 where the value itself says failed.

        Salt's rule: an answer with `result` or `success` that is false is a failure.
        """
        if self.retcode:
            return self.retcode
        if isinstance(value, Mapping):
            return 0 if all(value.get(key, True) for key in ("result", "success")) else 1
        return 0
