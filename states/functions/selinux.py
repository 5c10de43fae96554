"""`selinux.*`: mode, booleans and file contexts of SELinux, where this machine has it."""

from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.ports import programs

_CONFIG: Final = "/etc/selinux/config"
_ROOT: Final = "/sys/fs/selinux"
_LIMIT_S: Final = 300.0
_WORD: Final = r"[A-Za-z0-9_]{1,128}"
_KINDS: Final = {
    "a": "all files", "f": "regular file", "d": "directory", "c": "character device",
    "b": "block device", "s": "socket", "l": "symbolic link", "p": "named pipe",
}  # fmt: skip


def getenforce(context: FunctionContext) -> str:
    """Give the mode: `Enforcing`, `Permissive` or `Disabled`.

    CLI Example: limpet run '*' selinux.getenforce
    """
    text = context.host.files.read_text(f"{_ROOT}/enforce")
    if text is None:
        return "Disabled"
    return "Enforcing" if text.strip() == "1" else "Permissive"


def getconfig(context: FunctionContext) -> str | None:
    """Give the mode that the machine has after its next boot.

    CLI Example: limpet run '*' selinux.getconfig
    """
    for line in (context.host.files.read_text(_CONFIG) or "").splitlines():
        if line.strip().startswith("SELINUX="):
            return line.partition("=")[2].strip()
    return None


def setenforce(context: FunctionContext, mode: Loose) -> str:
    """Set the mode, now and for the next boot; gives the one that it has then.

    CLI Example: limpet run '*' selinux.setenforce enforcing
    """
    _there(context)
    word = mode_of(mode)
    if word != "Disabled":
        number = "1" if word == "Enforcing" else "0"
        programs.run(context.host.commands, ["setenforce", number]).checked()
    text = context.host.files.read_text(_CONFIG)
    if text is not None and getconfig(context) != word.lower():
        lines = [
            f"SELINUX={word.lower()}" if line.strip().startswith("SELINUX=") else line
            for line in text.splitlines()
        ]
        content = "".join(f"{line}\n" for line in lines)
        context.host.file_system.place(_CONFIG, content.encode(), mode=None)
    return getenforce(context)


def list_sebool(context: FunctionContext) -> dict[str, dict[str, str]]:
    """Give all booleans with their state now and after the next boot.

    CLI Example: limpet run '*' selinux.list_sebool
    """
    _there(context)
    answer = programs.run(context.host.commands, ["semanage", "boolean", "-l"], limit_s=_LIMIT_S)
    found = {}
    for line in answer.checked().stdout.splitlines():
        name, has_state, rest = line.partition("(")
        state, _, told = rest.partition(")")
        if has_state and "," in state:
            now, default = (each.strip() for each in state.split(",", 1))
            found[name.strip()] = {"State": now, "Default": default, "Description": told.strip()}
    return found


def getsebool(context: FunctionContext, boolean: str) -> dict[str, str]:
    """Give the state of a boolean; nothing if there is none of that name.

    CLI Example: limpet run '*' selinux.getsebool virt_use_usb
    """
    return list_sebool(context).get(boolean, {})


def setsebool(context: FunctionContext, boolean: str, value: Loose, persist: bool = False) -> bool:
    """Set a boolean, with `persist` for the next boot as well.

    CLI Example: limpet run '*' selinux.setsebool virt_use_usb off
    """
    _there(context)
    name = programs.plain_word(boolean, "the name of a boolean", _WORD)
    words = ["setsebool", *(["-P"] if persist else []), name, switch_of(value)]
    return programs.run(context.host.commands, words, limit_s=_LIMIT_S).is_good


def fcontext_get_policy(
    context: FunctionContext,
    name: str,
    filetype: str | None = None,
    sel_type: str | None = None,
    sel_user: str | None = None,
    sel_level: str | None = None,
) -> dict[str, Any] | None:
    """Give the local rule for the context of files; nothing if there is none.

    CLI Example: limpet run '*' selinux.fcontext_get_policy '/srv/web(/.*)?'
    """
    _there(context)
    words = ["semanage", "fcontext", "-l", "-C", "-n"]
    answer = programs.run(context.host.commands, words, limit_s=_LIMIT_S).checked()
    wanted = _kind(filetype)
    for line in answer.stdout.splitlines():
        if not line.startswith(f"{name} "):
            continue
        told, _, label = line[len(name) :].strip().rpartition(" ")
        parts = label.split(":")
        if told.strip() != _KINDS[wanted] or len(parts) < 3:
            continue
        return {
            "filespec": name, "filetype": told.strip(), "sel_user": parts[0],
            "sel_role": parts[1], "sel_type": parts[2], "sel_level": ":".join(parts[3:]),
        }  # fmt: skip
    return None


def fcontext_add_policy(
    context: FunctionContext,
    name: str,
    filetype: str | None = None,
    sel_type: str | None = None,
    sel_user: str | None = None,
    sel_level: str | None = None,
) -> dict[str, Any]:
    """Add a local rule for the context of files, or change it.

    CLI Example: limpet run '*' selinux.fcontext_add_policy '/srv(/.*)?' sel_type=bin_t
    """
    is_there = fcontext_get_policy(context, name, filetype) is not None
    words = ["semanage", "fcontext", "-m" if is_there else "-a", "-f", _kind(filetype)]
    for option, value in (("-t", sel_type), ("-s", sel_user), ("-r", sel_level)):
        if value:
            words += [option, programs.plain_word(value, "a part of a context", r"[\w:.,-]+")]
    return _told(context, [*words, "--", programs.plain_line(name, "a file pattern")])


def fcontext_delete_policy(
    context: FunctionContext,
    name: str,
    filetype: str | None = None,
    sel_type: str | None = None,
    sel_user: str | None = None,
    sel_level: str | None = None,
) -> dict[str, Any]:
    """Remove a local rule for the context of files.

    CLI Example: limpet run '*' selinux.fcontext_delete_policy '/srv/web(/.*)?'
    """
    _there(context)
    pattern = programs.plain_line(name, "a file pattern")
    return _told(context, ["semanage", "fcontext", "-d", "-f", _kind(filetype), "--", pattern])


def fcontext_policy_is_applied(context: FunctionContext, name: str, recursive: bool = False) -> str:
    """Give what `restorecon` would change; empty: all files have their context.

    CLI Example: limpet run '*' selinux.fcontext_policy_is_applied /srv/web recursive=True
    """
    return _restorecon(context, name, recursive, ["-n", "-v"]).stdout.strip()


def fcontext_apply_policy(
    context: FunctionContext, name: str, recursive: bool = False
) -> dict[str, Any]:
    """Give files the context that the rules say.

    CLI Example: limpet run '*' selinux.fcontext_apply_policy /srv/web recursive=True
    """
    answer = _restorecon(context, name, recursive, ["-v", "-F"])
    changes = {}
    for line in answer.stdout.splitlines():
        words = line.split()
        if "from" in words and "to" in words:
            path = words[1]
            changes[path] = {
                "old": words[words.index("from") + 1], "new": words[words.index("to") + 1],
            }  # fmt: skip
    return {"retcode": answer.retcode, "changes": changes}


def mode_of(mode: Loose) -> str:
    """Give a mode by its name, whatever it was called. Raises `HostError`."""
    words = {"1": "Enforcing", "0": "Permissive", "true": "Enforcing", "false": "Permissive"}
    text = str(mode).strip()
    found = words.get(text.lower(), text.capitalize())
    if found not in ("Enforcing", "Permissive", "Disabled"):
        raise HostError(f"{text} is not an accepted mode: enforcing, permissive or disabled")
    return found


def switch_of(value: Loose) -> str:
    """Give `on` or `off`, whatever it was called. Raises `HostError`."""
    text = str(value).strip().lower()
    if text in ("on", "1", "true", "yes"):
        return "on"
    if text in ("off", "0", "false", "no"):
        return "off"
    raise HostError(f"{value!r} is not a valid value for a boolean: on or off")


def _kind(filetype: str | None) -> str:
    kind = {"--": "f", "-d": "d", "-c": "c", "-b": "b", "-s": "s", "-l": "l", "-p": "p"}.get(
        filetype or "a", filetype or "a"
    )
    if kind not in _KINDS:
        raise HostError(f"{filetype!r} is no type of files: one of {', '.join(_KINDS)}")
    return kind


def _there(context: FunctionContext) -> None:
    if not context.host.files.exists(f"{_ROOT}/enforce"):
        raise HostError("SELinux is not available on this machine, or is disabled")


def _told(context: FunctionContext, words: list[str]) -> dict[str, Any]:
    answer = programs.run(context.host.commands, words, limit_s=_LIMIT_S)
    return {
        "pid": 0, "retcode": answer.retcode, "stdout": answer.stdout.strip(),
        "stderr": answer.stderr.strip(),
    }  # fmt: skip


def _restorecon(
    context: FunctionContext, name: str, recursive: bool, options: list[str]
) -> programs.Answer:
    _there(context)
    path = programs.plain_line(name, "a path").partition("(")[0]
    words = ["restorecon", *options, *(["-R"] if recursive else []), "--", path]
    return programs.run(context.host.commands, words, limit_s=_LIMIT_S)
