"""Which custom modules this process uses: those of the minion that its job belongs to.

A job has a process of its own, so there is one set; whoever starts a job calls `use`.
"""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from limpet.states.custom.folders import custom_directory

if TYPE_CHECKING:
    from limpet.states.context import Places
    from limpet.states.custom.modules import CustomModules

_used: "CustomModules | None" = None


def is_allowed(configuration: Mapping[str, Any]) -> bool:
    """Say whether the minion takes modules of the file roots (decision 007)."""
    return bool(configuration.get("allow_code_sync", True))


def use(places: "Places | None", configuration: Mapping[str, Any] | None = None) -> None:
    """Use the modules that were brought to this minion from now on; None: none of anybody's.

    Where its configuration does not allow them, none are used.
    """
    global _used
    _used = None
    if places is None or not is_allowed(configuration or {}):
        return
    directory = custom_directory(places)
    if directory.is_dir():
        from limpet.states.custom.modules import CustomModules

        _used = CustomModules(directory)


def used() -> "CustomModules | None":
    """Give the custom modules of this process, if there are any."""
    return _used
