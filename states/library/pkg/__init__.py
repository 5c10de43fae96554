"""The `pkg` states: which packages are installed, in which versions, and which are not."""

from limpet.states.library.pkg.holding import held, unheld
from limpet.states.library.pkg.installed import downloaded, group_installed, installed
from limpet.states.library.pkg.latest import latest, uptodate
from limpet.states.library.pkg.removed import purged, removed
from limpet.states.library.pkg.watching import mod_watch

__all__ = [
    "downloaded",
    "group_installed",
    "held",
    "installed",
    "latest",
    "mod_watch",
    "purged",
    "removed",
    "unheld",
    "uptodate",
]
