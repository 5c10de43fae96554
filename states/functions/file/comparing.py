"""Two files held against each other, and a file against its backups."""

import datetime
import posixpath
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.file.editing import state_context

_STAMP = "%a_%b_%d_%H:%M:%S_%f_%Y"


def get_diff(
    context: FunctionContext,
    file1: str,
    file2: str,
    saltenv: str = "base",
    show_filenames: bool = True,
    show_changes: bool = True,
    template: bool = False,
) -> str:
    """Give what differs between two files, each a path or `salt://…`; empty: nothing.

    CLI Example: limpet run '*' file.get_diff /home/fred/.vimrc salt://users/fred/.vimrc
    """
    from limpet.states.library.file.text import decoded, difference  # states call functions

    before, after = (_content(context, each, saltenv) for each in (file1, file2))
    if before == after:
        return ""
    if not show_changes:
        return "<show_changes=False>"
    shown = difference(before, after)
    if show_filenames and decoded(before) is not None and decoded(after) is not None:
        shown = shown.replace("--- \n+++ \n", f"--- {file1}\n+++ {file2}\n", 1)
    return shown


def list_backups(
    context: FunctionContext, path: str, limit: int | None = None
) -> dict[int, dict[str, Any]]:
    """Give the backups of a file by number, the newest first.

    CLI Example: limpet run '*' file.list_backups /foo/bar/baz.txt
    """
    files = context.host.file_system
    folder = f"{context.places.state_directory}/file_backup{posixpath.dirname(path)}"
    if files.facts(folder) is None:
        return {}
    found = []
    for name in files.names(folder):
        beginning, _, stamp = name.partition(f"{posixpath.basename(path)}_")
        try:
            # The stamp is of this machine's own time, as it was written.
            when = datetime.datetime.strptime(stamp, _STAMP)  # noqa: DTZ007
        except ValueError:
            continue
        facts = files.facts(f"{folder}/{name}")
        if beginning or facts is None:
            continue
        entry = {
            "Backup Time": when.strftime("%a %b %d %Y %H:%M:%S.%f"),
            "Size": facts.size,
            "Location": f"{folder}/{name}",
        }
        found.append((when, entry))
    newest = sorted(found, key=lambda each: each[0], reverse=True)
    return {number: entry for number, (_, entry) in enumerate(newest[:limit])}


def list_backup(
    context: FunctionContext, path: str, limit: int | None = None
) -> dict[int, dict[str, Any]]:
    """Give the backups of a file; another name of `file.list_backups`.

    CLI Example: limpet run '*' file.list_backup /foo/bar/baz.txt
    """
    return list_backups(context, path, limit)


def restore_backup(context: FunctionContext, path: str, backup_id: Loose) -> dict[str, Any]:
    """Put a backup in the place of its file; what stands there becomes a backup itself.

    CLI Example: limpet run '*' file.restore_backup /foo/bar/baz.txt 0
    """
    found = _backup(context, path, backup_id)
    if found is None:
        return _no_such(path, backup_id)
    from limpet.states.library.file.writing import keep_backup  # states call functions

    keep_backup(state_context(context), path)
    context.host.file_system.copy(found, path)
    return {"result": True, "comment": f"Successfully restored {found} to {path}"}


def delete_backup(context: FunctionContext, path: str, backup_id: Loose) -> dict[str, Any]:
    """Remove a backup of a file.

    CLI Example: limpet run '*' file.delete_backup /foo/bar/baz.txt 0
    """
    found = _backup(context, path, backup_id)
    if found is None:
        return _no_such(path, backup_id)
    context.host.file_system.remove(found)
    return {"result": True, "comment": f"Successfully removed {found}"}


def remove_backup(context: FunctionContext, path: str, backup_id: Loose) -> dict[str, Any]:
    """Remove a backup of a file; another name of `file.delete_backup`.

    CLI Example: limpet run '*' file.remove_backup /foo/bar/baz.txt 0
    """
    return delete_backup(context, path, backup_id)


def _backup(context: FunctionContext, path: str, backup_id: Loose) -> str | None:
    number = int(backup_id) if str(backup_id).isdigit() else -1
    found = list_backups(context, path).get(number)
    return None if found is None else str(found["Location"])


def _no_such(path: str, backup_id: Loose) -> dict[str, Any]:
    return {"result": False, "comment": f"backup_id '{backup_id}' does not exist for {path}"}


def _content(context: FunctionContext, path: str, saltenv: str) -> bytes:
    if "://" in path:
        cached = context.call("cp.cache_file", path, saltenv)
        if not cached:
            raise HostError(f"Failed to read {path}: there is no such file in the tree")
        path = str(cached)
    return context.host.file_system.read(path)
