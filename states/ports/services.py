"""What states may ask of the services of a machine; `limpet.states.host` answers."""

from dataclasses import dataclass
from typing import Literal, Protocol


@dataclass(frozen=True, slots=True)
class Service:
    """One service as its manager sees it."""

    name: str
    is_available: bool
    """The manager knows it."""
    is_running: bool = False
    boot: str = ""
    """What happens at boot, in the manager's words: `enabled`, `disabled`, `static`, `masked`, …"""
    is_enabled: bool = False
    """Nothing has to be done for it to be started at boot, or where it is asked for."""
    is_masked: bool = False
    is_masked_for_now: bool = False
    """Masked until the next boot only."""


ServiceAction = Literal["start", "stop", "restart", "reload", "force-reload"]


class Services(Protocol):
    """The services of this machine and their manager.

    Every call is bounded, and raises `HostError` where the manager refuses, with its own words.
    """

    @property
    def kind(self) -> Literal["systemd", "sysv"]:
        """Which manager runs this machine."""
        ...

    @property
    def is_offline(self) -> bool:
        """There are units of a manager that does not run: a container without systemd."""
        ...

    def look(self, name: str) -> Service:
        """Look at one service; one that is not known, or can't be by its name, is not available."""
        ...

    def boot_states(self) -> dict[str, str]:
        """Give what happens at boot with each service that there is, by its name."""
        ...

    def running(self) -> list[str]:
        """Name the services that run now."""
        ...

    def control(self, name: str, action: ServiceAction, *, is_waiting: bool = True) -> None:
        """Start, stop and so on; wait until that is done."""
        ...

    def set_at_boot(self, name: str, is_enabled: bool) -> None:
        """Have it started at boot, or not."""
        ...

    def set_mask(self, name: str, is_masked: bool, *, is_for_now: bool = False) -> None:
        """Keep it from being started by anybody, or allow that again."""
        ...

    def refresh(self) -> None:
        """Have the manager read its definitions again."""
        ...

    def properties(self, name: str) -> dict[str, str]:
        """Give all that the manager knows of it."""
        ...
