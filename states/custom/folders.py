"""Where the modules of a minion's own lie: in the file roots, and on the minion."""

from pathlib import Path
from typing import Final

from limpet.states.context import Places

FOLDERS: Final = {
    "modules": "_modules",
    "states": "_states",
    "grains": "_grains",
    "utils": "_utils",
}
"""Salt's name of each kind that is used here, and its folder at the top of an environment."""

NEVER_USED: Final = (
    "beacons", "clouds", "engines", "executors", "log_handlers", "matchers", "output", "pillar",
    "proxymodules", "renderers", "resources", "returners", "sdb", "serializers", "thorium", "tops",
    "wrapper",
)  # fmt: skip
"""Kinds that Salt syncs as well and that nothing here would load."""


def custom_directory(places: Places) -> Path:
    """Give the directory that holds what was brought here, a folder for each kind."""
    return places.state_directory / "custom"
