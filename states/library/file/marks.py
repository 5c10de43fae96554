"""What a file carries beside owner and mode: attributes of the file system, SELinux contexts.

The machine's own programs show and set them (`lsattr`, `chattr`; `chcon`).
"""

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome

_FIXED: Final = "e"
"""What no file of its file system can be without."""
_PARTS: Final = (("seuser", "-u"), ("serole", "-r"), ("setype", "-t"), ("serange", "-l"))


def marked(
    context: StateContext, outcome: Outcome, path: str, attributes: Loose, selinux: Loose
) -> Outcome:
    """Give a file that is in place its marks, and say so in the outcome. Raises `HostError`."""
    if outcome.result is not True or not (attributes or selinux):
        return outcome
    changes: dict[str, Any] = {}
    if attributes:
        changes |= _set_attributes(context, path, str(attributes))
    if selinux:
        try:
            changes |= _set_selinux(context, path, selinux)
        except HostError as error:
            return Outcome(False, str(error), {**outcome.changes, **changes})
    if not changes:
        return outcome
    return dataclasses.replace(
        outcome, comment=f"File {path} updated", changes={**outcome.changes, **changes}
    )


def _set_attributes(context: StateContext, path: str, wanted: str) -> dict[str, Any]:
    shown = _ran(context, ["lsattr", "-d", path])
    if shown is None:
        raise HostError(f"the attributes of {path} can't be shown; is its file system without any?")
    present = {letter for letter in shown.split(" ")[0] if letter != "-"}
    missing, odd = set(wanted) - present, present - set(wanted) - {_FIXED}
    words = [f"+{''.join(sorted(missing))}"] if missing else []
    words += [f"-{''.join(sorted(odd))}"] if odd else []
    if not words:
        return {}
    if _ran(context, ["chattr", *words, path]) is None:
        raise HostError(f"the attributes '{wanted}' can't be set on {path}")
    return {"attrs": {"old": "".join(sorted(present)), "new": wanted}}


def _set_selinux(context: StateContext, path: str, wanted: Loose) -> dict[str, Any]:
    if not isinstance(wanted, Mapping):
        raise HostError("selinux must be formed as a dict")
    shown = _ran(context, ["stat", "-c", "%C", path])
    if shown is None or shown.count(":") < 2:
        raise HostError("Failed to get selinux attributes")
    present = dict(
        zip(("seuser", "serole", "setype", "serange"), shown.split(":", 3), strict=False)
    )
    parts = [(key, flag) for key, flag in _PARTS if wanted.get(key)]
    if all(str(wanted[key]) == present.get(key) for key, _ in parts):
        return {}
    words = [word for key, flag in parts for word in (flag, str(wanted[key]))]
    if _ran(context, ["chcon", *words, path]) is None:
        raise HostError("Failed to set selinux attributes")
    after = {**present, **{key: str(wanted[key]) for key, _ in parts}}
    return {"selinux": {"Old": _told(present), "New": _told(after)}}


def _told(parts: Mapping[str, str]) -> str:
    names = (("seuser", "User"), ("serole", "Role"), ("setype", "Type"), ("serange", "Range"))
    return " ".join(f"{name}: {parts[key]}" for key, name in names if parts.get(key))


def _ran(context: StateContext, words: list[str]) -> str | None:
    """Run a program; give what it prints, None where it fails or isn't there."""
    if context.host.commands.which(words[0]) is None:
        return None
    done = context.call("cmd.run_all", words, python_shell=False, ignore_retcode=True)
    return None if done["retcode"] else str(done["stdout"]).strip()
