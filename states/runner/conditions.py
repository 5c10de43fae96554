"""`unless`, `onlyif`, `creates` and `check_cmd`: whether a state runs, by what the machine says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import LimpetError
from limpet.states.context import Loose
from limpet.states.data.traversal import traverse
from limpet.states.library.context import Chunk, StateContext
from limpet.states.runner.slots import fill_value

_COMMAND_ARGUMENTS: Final = (
    "cwd",
    "runas",
    "env",
    "prepend_path",
    "timeout",
    "success_retcodes",
    "shell",
)
"""What the commands of a condition share with a `cmd` state."""
_CONDITIONS: Final = ("onlyif", "unless", "creates")


@dataclass(frozen=True, slots=True)
class Refusal:
    """The state is not run, and counts as done."""

    comment: str


def refusal(context: StateContext, chunk: Chunk) -> Refusal | None:
    """Say why the state isn't run, or None. Raises what a function in a condition raises."""
    if not any(each in chunk for each in _CONDITIONS):
        return None
    options = _command_options(context, chunk)
    comments = []
    for name in _CONDITIONS:
        if name in chunk:
            comment = _CHECKS[name](context, chunk[name], options)
            if comment is not None:
                comments.append(comment)
    return Refusal("\n".join(comments)) if comments else None


def check(context: StateContext, commands: Loose) -> tuple[bool, str]:
    """Run the commands of `check_cmd`: the state's result from now on, and the comment."""
    for command in [commands] if isinstance(commands, str) else commands:
        if _retcode(context, command, {}) != 0:
            return False, "check_cmd determined the state failed"
    return True, "check_cmd determined the state succeeded"


def _onlyif(context: StateContext, value: Loose, options: Mapping[str, Any]) -> str | None:
    for entry in _entries(value):
        if isinstance(entry, str):
            is_true = _retcode(context, entry, options, if_refused=100) == 0
        elif isinstance(entry, Mapping) and "fun" in entry:
            is_true = _is_true(context, entry)
        else:
            return None  # no condition: the rest is not asked, and the state runs
        if not is_true:
            return "onlyif condition is false"
    return None


def _unless(context: StateContext, value: Loose, options: Mapping[str, Any]) -> str | None:
    comment = None
    for entry in _entries(value):
        if isinstance(entry, str):
            is_true = _retcode(context, entry, options, if_refused=0) == 0
        elif isinstance(entry, Mapping) and "fun" in entry:
            is_true = _is_true(context, entry)
        elif isinstance(entry, Mapping):
            return comment
        else:
            comment = None
            continue
        if not is_true:
            return None
        comment = "unless condition is true"
    return comment


def _creates(context: StateContext, value: Loose, _options: Mapping[str, Any]) -> str | None:
    def exists(path: object) -> bool:
        return context.file_system.facts(str(path), is_following=True) is not None

    if isinstance(value, str):
        return f"{value} exists" if exists(value) else None
    if isinstance(value, list) and all(map(exists, value)):
        return "All files in creates exist"
    return None


_CHECKS = {"onlyif": _onlyif, "unless": _unless, "creates": _creates}


def _entries(value: Loose) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _is_true(context: StateContext, entry: Mapping[str, Any]) -> bool:
    """Call the function of a condition; a retcode that it sets is what counts."""
    arguments = {
        key: value for key, value in entry.items() if key not in ("fun", "args", "get_return")
    }
    functions = context.functions
    before, functions.retcode = functions.retcode, 0
    try:
        positional = fill_value(context, list(entry.get("args") or []))
        found = context.call(entry["fun"], *positional, **fill_value(context, arguments))
        retcode = functions.retcode
    finally:
        functions.retcode = before
    if retcode:
        return False
    wanted = entry.get("get_return")
    return bool(traverse(found, wanted, None) if wanted else found)


def _command_options(context: StateContext, chunk: Chunk) -> dict[str, Any]:
    left_out = chunk.get("cmd_opts_exclude") or []
    left_out = left_out if isinstance(left_out, list) else [left_out]
    options = {
        name: chunk[name]
        for name in _COMMAND_ARGUMENTS
        if chunk.get(name) is not None and name not in left_out
    }
    if "shell" not in options and context.grains.get("shell"):
        options["shell"] = context.grains["shell"]
    return options


def _retcode(
    context: StateContext,
    command: Loose,
    options: Mapping[str, Any],
    *,
    if_refused: int | None = None,
) -> int:
    """Give the retcode of a shell command; what could not be started counts as `if_refused`."""
    try:
        found = context.call(
            "cmd.retcode", command, ignore_retcode=True, python_shell=True, **options
        )
    except LimpetError:
        if if_refused is None:
            raise
        return if_refused
    return int(found)
