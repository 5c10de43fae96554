"""`cp.get_…`: bringing files to a place of the caller's choice."""

from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.cp import caching, tree

_TEXT_BYTES_MAX = 64 * 1024 * 1024


def get_file_str(context: FunctionContext, path: str, saltenv: str | None = None) -> Loose:
    """Give the content of a file as text; False: there is no such file.

    CLI Example: limpet run '*' cp.get_file_str salt://my/file
    """
    found = tree.content_path(context, path, saltenv)
    if found is None:
        return False
    content = context.host.file_system.read(found, bytes_max=_TEXT_BYTES_MAX)
    return content.decode("utf-8", "replace")


def get_file(
    context: FunctionContext,
    path: str,
    dest: str,
    saltenv: str | None = None,
    makedirs: bool = False,
    template: str | None = None,
    gzip: Loose = None,
    **more: Loose,
) -> Loose:
    """Bring a file of the tree to a place; give the place, '' if there is no such file.

    With `template`, path and place are rendered first (not the content: `cp.get_template` does
    that). False: the directory of the place is not there, and `makedirs` was not said.

    CLI Example: limpet run '*' cp.get_file salt://path/to/file /minion/dest
    """
    if template:
        path = _rendered(context, path, template, saltenv)
        dest = _rendered(context, dest, template, saltenv)
    if not dest:
        return caching.cache_file(context, path, saltenv) or ""
    found = tree.content_path(context, path, saltenv)
    if found is None:
        return ""
    place = _ready(context, path, dest, makedirs)
    if not place:
        return False
    context.host.file_system.place_copy(place, found, mode=None)
    return place


def get_template(
    context: FunctionContext,
    path: str,
    dest: str,
    template: str = "jinja",
    saltenv: str | None = None,
    makedirs: bool = False,
    **more: Loose,
) -> str:
    """Render a file of the tree to a place; give the place, '' if there is no file or directory.

    Further keywords are variables of the template.

    CLI Example: limpet run '*' cp.get_template salt://path/to/template /minion/dest
    """
    found = tree.content_path(context, path, saltenv)
    if found is None:
        return ""
    text = context.host.file_system.read(found, bytes_max=_TEXT_BYTES_MAX)
    environment = tree.environment(context, saltenv)
    rendered = tree.tree_of(context).render(
        text.decode("utf-8", "surrogateescape"),
        template,
        {**more, **_variables(more)},
        saltenv=environment,
        source=path,
    )
    place = _ready(context, path, dest, makedirs)
    if place:
        content = rendered.encode("utf-8", "surrogateescape")
        context.host.file_system.place(place, content, mode=None)
    return place


def get_url(
    context: FunctionContext,
    path: str,
    dest: str | None = "",
    saltenv: str | None = None,
    makedirs: bool = False,
    source_hash: str | None = None,
) -> Loose:
    """Bring a file of the tree or the web to a place; without one into the cache, and give it.

    `dest=None` gives the content instead. A file of this machine stays where it is. False: there
    is no such file in the tree.

    CLI Example: limpet run '*' cp.get_url salt://my/file /tmp/this_file_is_mine
    """
    if dest is None:
        return get_file_str(context, path, saltenv)
    if local := tree.local_path(path):
        return local
    if not path.startswith(tree.WEB):
        if not dest:
            return caching.cache_file(context, path, saltenv)
        return get_file(context, path, dest, saltenv, makedirs) or False
    found = caching.cache_file(context, path, saltenv, source_hash)
    if not dest or not found:
        return found
    place = _ready(context, path.partition("?")[0], dest, makedirs)
    if not place:
        return False
    context.host.file_system.place_copy(place, str(found), mode=None)
    return place


def get_dir(
    context: FunctionContext,
    path: str,
    dest: str,
    saltenv: str | None = None,
    template: str | None = None,
    gzip: Loose = None,
    **more: Loose,
) -> list[str]:
    """Bring a folder of the tree, itself included, below a place; give what was brought.

    CLI Example: limpet run '*' cp.get_dir salt://path/to/dir /minion/dest
    """
    if template:
        path = _rendered(context, path, template, saltenv)
        dest = _rendered(context, dest, template, saltenv)
    address = tree.address_of(context, path.rstrip("/"), saltenv)
    roots = tree.tree_of(context).roots
    inside = f"{address.path.rstrip('/')}/"
    above = address.path.rpartition("/")[0]
    cut = len(above) + 1 if above else 0
    files = [each for each in roots.files(address.saltenv) if each.startswith(inside)]
    folders = [inside + each for each in roots.folders(address.saltenv, inside)]
    found: list[str] = []
    for each in files:
        place = f"{dest.rstrip('/')}/{each[cut:]}"
        context.call("file.makedirs", place)
        if copied := roots.local_copy(each, address.saltenv):
            context.host.file_system.place_copy(place, copied, mode=None)
            found.append(place)
    for each in folders:
        if not any(other.startswith(f"{each}/") for other in (*files, *folders)):
            place = f"{dest.rstrip('/')}/{each[cut:]}"
            context.call("file.makedirs", f"{place}/")
            found.append(place)
    return sorted(found)


def _ready(context: FunctionContext, path: str, dest: str, makedirs: bool) -> str:
    """Give the file that is to be written; empty: its directory is not there."""
    files = context.host.file_system
    facts = files.facts(dest, is_following=True)
    if dest.endswith("/") or (facts is not None and facts.kind == "directory"):
        dest = f"{dest.rstrip('/')}/{path.rstrip('/').rpartition('/')[2]}"
    if not dest.startswith("/"):
        raise HostError(f"the place {dest!r} is no absolute path")
    folder = files.facts(dest.rpartition("/")[0] or "/", is_following=True)
    if folder is not None and folder.kind == "directory":
        return dest
    if not makedirs:
        return ""
    context.call("file.makedirs", dest)
    return dest


def _rendered(context: FunctionContext, text: str, template: str, saltenv: str | None) -> str:
    """Render a path."""
    environment = tree.environment(context, saltenv)
    return tree.tree_of(context).render(text, template, {}, saltenv=environment, source=text)


def _variables(more: dict[str, Any]) -> dict[str, Any]:
    """Give what `context` and `defaults` hold, as variables of their own."""
    found: dict[str, Any] = {}
    for each in ("defaults", "context"):
        if isinstance(more.get(each), dict):
            found |= more[each]
    return found
