"""`cp.list_…` and its like: what the tree holds, without bringing it."""

import stat

from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.cp import tree


def list_master(
    context: FunctionContext, saltenv: str | None = None, prefix: str = ""
) -> list[str]:
    """Give all files of the tree.

    CLI Example: limpet run '*' cp.list_master
    """
    found = tree.tree_of(context).roots.files(tree.environment(context, saltenv))
    return [each for each in found if each.startswith(prefix)]


def list_master_dirs(
    context: FunctionContext, saltenv: str | None = None, prefix: str = ""
) -> list[str]:
    """Give all directories of the tree.

    CLI Example: limpet run '*' cp.list_master_dirs
    """
    found = tree.tree_of(context).roots.folders(tree.environment(context, saltenv))
    return [each for each in found if each.startswith(prefix)]


def list_master_symlinks(
    context: FunctionContext, saltenv: str | None = None, prefix: str = ""
) -> dict[str, str]:
    """Give all symbolic links of the tree with what they point at.

    CLI Example: limpet run '*' cp.list_master_symlinks
    """
    found = tree.tree_of(context).roots.links(tree.environment(context, saltenv))
    return {path: target for path, target in found.items() if path.startswith(prefix)}


def list_states(context: FunctionContext, saltenv: str | None = None) -> list[str]:
    """Give the names of all SLS of the tree.

    CLI Example: limpet run '*' cp.list_states
    """
    from limpet.states.fileroots.names import sls_of

    return sorted({name for path in list_master(context, saltenv) if (name := sls_of(path))})


def envs(context: FunctionContext) -> list[str]:
    """Give the environments of the tree.

    CLI Example: limpet run '*' cp.envs
    """
    return tree.tree_of(context).roots.environments()


def hash_file(context: FunctionContext, path: str, saltenv: str | None = None) -> Loose:
    """Give the checksum of a file of the tree or of this machine; nothing if there is none.

    CLI Example: limpet run '*' cp.hash_file salt://path/to/file
    """
    environment = tree.environment(context, saltenv)
    seen = tree.tree_of(context)
    source = path if tree.local_path(path) else f"salt://{path.removeprefix('salt://')}"
    facts = seen.look(source, environment)
    if facts is None:
        return {} if tree.local_path(path) else ""
    algorithm = _hash_type(context)
    if algorithm == "sha256" and facts.digest:
        return {"hash_type": algorithm, "hsum": facts.digest}
    found = seen.local_copy(source, environment)
    if found is None:
        return ""
    return {"hash_type": algorithm, "hsum": context.host.file_system.digest(found, algorithm)}


def stat_file(
    context: FunctionContext, path: str, saltenv: str | None = None, octal: bool = True
) -> Loose:
    """Give the mode of a file of the tree or of this machine; nothing if there is none.

    In octal digits the permissions; else the whole number, with the kind of file.

    CLI Example: limpet run '*' cp.stat_file salt://path/to/file
    """
    source = path if tree.local_path(path) else f"salt://{path.removeprefix('salt://')}"
    facts = tree.tree_of(context).look(source, tree.environment(context, saltenv))
    if facts is None or facts.mode is None:
        return None
    return f"{facts.mode:04o}" if octal else facts.mode | stat.S_IFREG


def _hash_type(context: FunctionContext) -> str:
    return str(context.configured("hash_type") or "sha256")
