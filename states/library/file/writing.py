"""Putting a file in place: its backup first, then whole, with owner and mode."""

import datetime
from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.file.owners import Ownership
from limpet.states.ports.file_system import missing_folders

BACKUP_ON_MINION: Final = ("minion", "both", True)


def write(
    context: StateContext,
    path: str,
    content: bytes,
    wanted: Ownership | None = None,
    backup: Loose = "",
) -> None:
    """Replace or make the file; what stands there is kept as a backup where that is asked for."""
    if backup in BACKUP_ON_MINION:
        keep_backup(context, path)
    wanted = wanted or Ownership()
    uid, gid = wanted.ids(context)
    context.file_system.place(path, content, mode=wanted.mode_bits, uid=uid, gid=gid)


def backup_mode(context: StateContext, backup: Loose) -> Loose:
    """Give the state's own wish for a backup, or else the configured one."""
    if backup:
        return backup
    return context.functions.configured("backup_mode") or ""


def keep_backup(context: StateContext, path: str) -> str | None:
    """Copy a file to `file_backup/` in the minion's own directory; None: there is no file."""
    facts = context.file_system.facts(path, is_following=True)
    if facts is None or facts.kind != "file":
        return None
    when = datetime.datetime.fromtimestamp(context.host.system.now()).astimezone()
    place = f"{context.functions.places.state_directory}/file_backup{path}"
    target = f"{place}_{when.strftime('%a_%b_%d_%H:%M:%S_%f_%Y')}"
    _make_private(context, target.rpartition("/")[0])
    context.file_system.place_copy(target, path, mode=facts.mode, uid=facts.uid, gid=facts.gid)
    return target


def _make_private(context: StateContext, folder: str) -> None:
    for each in missing_folders(folder, lambda path: is_there(context, path)):
        context.file_system.make_directory(each, 0o700)


def kind_of(context: StateContext, path: str) -> str:
    """Give what stands at a path, links followed: `file`, `directory`, …; empty: nothing."""
    facts = context.file_system.facts(path, is_following=True)
    return "" if facts is None else facts.kind


def is_link(context: StateContext, path: str) -> bool:
    """Say whether a symbolic link has that name."""
    facts = context.file_system.facts(path)
    return facts is not None and facts.kind == "link"


def is_there(context: StateContext, path: str) -> bool:
    """Say whether anything has that name, a dangling link too."""
    return context.file_system.facts(path) is not None


def check_command(
    context: StateContext, command: str, content: bytes, folder: str, suffix: str
) -> str:
    """Run `check_cmd` on a private copy of the new content; empty: it found nothing wrong.

    Else what is to be told: that it failed, and what it has printed.
    """
    path = context.host.files.place_script(
        content, directory=folder or _TEMPORARY, suffix=suffix, user=None
    )
    try:
        context.file_system.set_mode(path, 0o600)
        answer = context.call(
            "cmd.run_all", f"{command} {path}", python_shell=True, ignore_retcode=True
        )
    finally:
        context.host.files.remove(path)
    if not answer["retcode"]:
        return ""
    return "\n".join(
        filter(None, ("check_cmd execution failed", answer["stdout"], answer["stderr"]))
    )


_TEMPORARY: Final = "/tmp"  # noqa: S108 — the file is new, private, randomly named


def absolute(path: Any) -> str:  # noqa: ANN401
    """Give the path. Raises `HostError` where it doesn't begin at the root."""
    text = str(path)
    if not text.startswith("/"):
        raise HostError(f"Specified file {text} is not an absolute path")
    return text
