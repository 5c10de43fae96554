"""Which file roots a job sees: the master's, or those of the minion's own configuration."""

from typing import Any, Final

from limpet.states.context import FunctionContext
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.fileroots.port import TreeRoots
from limpet.states.fileroots.served.cache import CACHE_BYTES_MAX, FileCache
from limpet.states.fileroots.served.roots import ServedRoots

_CACHE: Final = "fileroots.cache"
_ROOTS: Final = "fileroots.roots"


def cache_directory(context: FunctionContext) -> str:
    """Give what Salt calls `cachedir`: below it is everything that was brought here."""
    return f"{context.places.state_directory}/cache"


def cache_of(context: FunctionContext) -> FileCache:
    """Give the minion's cache of files, the same one throughout a job."""
    kept = context.kept.get(_CACHE)
    if not isinstance(kept, FileCache):
        configured = context.configuration.get("file_cache_max")
        kept = FileCache(
            cache_directory(context),
            bytes_max=configured if isinstance(configured, int) else CACHE_BYTES_MAX,
        )
        context.kept[_CACHE] = kept
    return kept


def roots_of(context: FunctionContext) -> TreeRoots:
    """Give the file roots that states, templates and `cp` of this job read.

    Those of the master are asked once in a job for what they hold; the minion's own are looked at
    each time.
    """
    if context.sources is None:
        return DirectoryRoots(configured_roots(context, "file_roots"))
    kept = context.kept.get(_ROOTS)
    if not isinstance(kept, ServedRoots):
        kept = ServedRoots(context.sources, cache_of(context))
        context.kept[_ROOTS] = kept
    return kept


def configured_roots(context: FunctionContext, key: str) -> dict[str, list[str]]:
    """Give `file_roots` or `pillar_roots` of the minion's own configuration, as lists."""
    configured: dict[str, Any] = context.configuration.get(key) or {}
    return {
        str(name): [paths] if isinstance(paths, str) else [str(path) for path in paths]
        for name, paths in configured.items()
    }
