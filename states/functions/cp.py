"""`cp.*`: files of the tree of states, brought to this machine or shown.

The file roots are those of the minion's own configuration.
"""

import hashlib
from typing import TYPE_CHECKING, Any

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose

if TYPE_CHECKING:
    from limpet.states.library.tree import RootsTree


def get_file_str(context: FunctionContext, path: str, saltenv: str | None = None) -> Loose:
    """Give the content of a file of the tree as text; False: there is no such file.

    CLI Example: limpet run '*' cp.get_file_str salt://my/file
    """
    content = _tree(context).read(path, saltenv or "base")
    return False if content is None else content.decode("utf-8", "replace")


def get_file(
    context: FunctionContext,
    path: str,
    dest: str,
    saltenv: str | None = None,
    makedirs: bool = False,
    template: str | None = None,
    gzip: Loose = None,
    **more: Loose,
) -> str:
    """Bring a file of the tree to a place; give the place, or nothing if there is no such file.

    CLI Example: limpet run '*' cp.get_file salt://path/to/file /minion/dest
    """
    tree, environment = _tree(context), saltenv or "base"
    content = tree.read(path, environment)
    if content is None:
        return ""
    if template:
        text = content.decode("utf-8", "surrogateescape")
        content = tree.render(text, template, more, saltenv=environment, source=path).encode(
            "utf-8", "surrogateescape"
        )
    facts = context.host.file_system.facts(dest, is_following=True)
    if facts is not None and facts.kind == "directory":
        dest = f"{dest.rstrip('/')}/{path.rpartition('/')[2]}"
    if makedirs:
        context.call("file.makedirs", dest)
    context.host.file_system.place(dest, content, mode=None)
    return dest


def get_template(
    context: FunctionContext,
    path: str,
    dest: str,
    template: str = "jinja",
    saltenv: str | None = None,
    makedirs: bool = False,
    **more: Loose,
) -> str:
    """Render a file of the tree to a place; give the place.

    CLI Example: limpet run '*' cp.get_template salt://path/to/template /minion/dest
    """
    return get_file(context, path, dest, saltenv, makedirs, template, **more)


def hash_file(context: FunctionContext, path: str, saltenv: str | None = None) -> dict[str, Any]:
    """Give the checksum of a file of the tree; nothing if there is no such file.

    CLI Example: limpet run '*' cp.hash_file salt://path/to/file
    """
    content = _tree(context).read(path, saltenv or "base")
    if content is None:
        return {}
    return {"hash_type": "sha256", "hsum": hashlib.sha256(content).hexdigest()}


def list_master(
    context: FunctionContext, saltenv: str | None = None, prefix: str = ""
) -> list[str]:
    """Give all files of the tree.

    CLI Example: limpet run '*' cp.list_master
    """
    found = _tree(context).names("", saltenv or "base")
    return [each for each in found if each.startswith(prefix)]


def list_master_dirs(
    context: FunctionContext, saltenv: str | None = None, prefix: str = ""
) -> list[str]:
    """Give all directories of the tree.

    CLI Example: limpet run '*' cp.list_master_dirs
    """
    found = _tree(context).folders("", saltenv or "base")
    return [each for each in found if each.startswith(prefix)]


def list_states(context: FunctionContext, saltenv: str | None = None) -> list[str]:
    """Give the names of all SLS of the tree.

    CLI Example: limpet run '*' cp.list_states
    """
    from limpet.states.fileroots.names import sls_of

    return sorted(name for path in list_master(context, saltenv) if (name := sls_of(path)))


def cache_file(
    context: FunctionContext, path: str, saltenv: str | None = None, **_odd: Loose
) -> str:
    """Bring a file into the minion's own directory; give the place, or nothing.

    CLI Example: limpet run '*' cp.cache_file salt://path/to/file
    """
    environment = saltenv or "base"
    content = _tree(context).read(path, environment)
    if content is None:
        return ""
    inside = path.partition("://")[2].partition("?")[0].lstrip("/") or path.lstrip("/")
    if ".." in inside.split("/"):
        raise HostError(f"{path!r} does not lead to a file inside the cache")
    place = f"{context.places.state_directory}/files/{environment}/{inside}"
    context.call("file.makedirs", place, mode="0700")
    context.host.file_system.place(place, content, mode=0o600)
    return place


def is_cached(context: FunctionContext, path: str, saltenv: str | None = None) -> str:
    """Give the place of a file that was brought here by `cp.cache_file`, or nothing.

    CLI Example: limpet run '*' cp.is_cached salt://path/to/file
    """
    inside = path.partition("://")[2].partition("?")[0].lstrip("/") or path.lstrip("/")
    place = f"{context.places.state_directory}/files/{saltenv or 'base'}/{inside}"
    return place if context.host.file_system.facts(place) is not None else ""


def _tree(context: FunctionContext) -> "RootsTree":
    from limpet.states.runner.applying import Applying, tree_of

    return tree_of(context, lambda: Applying(context).compilation.renderers)
