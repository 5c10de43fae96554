"""What all of `cp` stands on: the tree of this job, environments, places in the cache."""

from typing import TYPE_CHECKING, NamedTuple

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.fileroots.names import parse_address

if TYPE_CHECKING:  # it loads the compiler and the renderers
    from limpet.states.library.tree import RootsTree

WEB = ("http://", "https://", "ftp://")


class Address(NamedTuple):
    """A file of the tree."""

    path: str
    saltenv: str


def tree_of(context: FunctionContext) -> "RootsTree":
    """Give the tree, whose templates see this minion's pillar."""
    from limpet.states.runner import applying

    return applying.tree_of(context, lambda: applying.Applying(context).compilation.renderers)


def environment(context: FunctionContext, saltenv: str | None) -> str:
    """Give the environment that is meant: the given one, the configured one, or `base`."""
    if saltenv:
        return saltenv
    return str(context.configured("saltenv") or "base")


def address_of(context: FunctionContext, path: str, saltenv: str | None) -> Address:
    """Take `salt://path?saltenv=dev`, or a bare path of the tree. Raises `HostError`."""
    try:
        found = parse_address(path)
    except UsageError as error:
        raise HostError(str(error)) from error
    return Address(found.path, found.environment or environment(context, saltenv))


def local_path(path: str) -> str:
    """Give the path of a file of this machine; empty: it is something else."""
    if path.startswith("file://"):
        return path.removeprefix("file://")
    return path if path.startswith("/") else ""


def cached(context: FunctionContext, address: Address) -> str | None:
    """Bring a file of the tree into the cache; give its place, None: there is no such file."""
    from limpet.states.fileroots.choosing import cache_of

    found = tree_of(context).local_copy(f"salt://{address.path}", address.saltenv)
    if found is None or context.sources is not None:
        return found
    cache = cache_of(context)  # out of the minion's own roots
    return cache.publish("files", f"{address.saltenv}/{address.path}", cache.take(found))


def content_path(context: FunctionContext, path: str, saltenv: str | None) -> str | None:
    """Give where the content of any source lies on this machine, fetched if need be."""
    return tree_of(context).local_copy(_whole(path), environment(context, saltenv))


def _whole(path: str) -> str:
    """Give an address; a bare path is one of the tree."""
    return path if "://" in path or path.startswith("/") else f"salt://{path}"
