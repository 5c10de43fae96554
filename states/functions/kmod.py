"""`kmod.*`: the modules of the kernel, now and at boot."""

from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext
from limpet.states.data.lines import lines_of
from limpet.states.ports import programs

_LOADED: Final = "/proc/modules"
_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9_-]{0,120}"


def lsmod(context: FunctionContext) -> list[dict[str, Any]]:
    """Give the modules that are loaded, with their size and who needs them.

    CLI Example: limpet run '*' kmod.lsmod
    """
    found = []
    for line in (context.host.files.read_text(_LOADED) or "").splitlines():
        words = line.split()
        if len(words) >= 4:
            needed = [each for each in words[3].split(",") if each not in ("", "-")]
            found.append({"module": words[0], "size": words[1], "depcount": words[2],
                          "deps": needed})  # fmt: skip
    return found


def mod_list(context: FunctionContext, only_persist: bool = False) -> list[str]:
    """Name the modules that are loaded, or those that are at boot.

    CLI Example: limpet run '*' kmod.mod_list
    """
    if only_persist:
        text = context.host.files.read_text(_file(context)) or ""
        return sorted({line.split()[0] for line in text.splitlines() if _is_module(line)})
    return sorted(each["module"] for each in lsmod(context))


def is_loaded(context: FunctionContext, mod: str) -> bool:
    """Say whether a module is loaded.

    CLI Example: limpet run '*' kmod.is_loaded kvm
    """
    return same(mod) in mod_list(context)


def check_available(context: FunctionContext, mod: str) -> bool:
    """Say whether there is such a module for the running kernel.

    CLI Example: limpet run '*' kmod.check_available kvm
    """
    name = programs.plain_word(mod, "the name of a kernel module", _NAME)
    if programs.find(context.host.commands, "modinfo") is None:
        return False
    return programs.run(context.host.commands, ["modinfo", "--", name]).is_good


def available(context: FunctionContext) -> list[str]:
    """Name the modules that there are for the running kernel.

    CLI Example: limpet run '*' kmod.available
    """
    release = context.host.system.uname()["release"]
    folder = f"/lib/modules/{release}"
    names = []
    for each in ("modules.dep", "modules.builtin"):
        text = context.host.files.read_text(f"{folder}/{each}", bytes_max=16 * 1024 * 1024) or ""
        for line in text.splitlines():
            name = line.partition(":")[0].rpartition("/")[2].partition(".ko")[0]
            names.append(same(name))
    return sorted({each for each in names if each})


def load(context: FunctionContext, mod: str, persist: bool = False) -> list[str]:
    """Load a module, with `persist` at boot as well; gives what has been loaded or added.

    CLI Example: limpet run '*' kmod.load kvm
    """
    name = programs.plain_word(mod, "the name of a kernel module", _NAME)
    before = set(mod_list(context))
    if same(name) not in before:
        programs.run(context.host.commands, ["modprobe", "--", name]).checked()
    found = set(mod_list(context)) - before
    if persist and name not in mod_list(context, only_persist=True):
        path = _file(context)
        text = context.host.files.read_text(path)
        whole = f"{text.rstrip()}\n{name}\n" if text and text.strip() else f"{name}\n"
        context.host.file_system.place(path, whole.encode(), mode=0o644 if text is None else None)
        found.add(name)
    return sorted(found)


def remove(
    context: FunctionContext, mod: str, persist: bool = False, comment: bool = True
) -> list[str]:
    """Unload a module, with `persist` no longer load it at boot; gives what is gone.

    CLI Example: limpet run '*' kmod.remove kvm
    """
    name = programs.plain_word(mod, "the name of a kernel module", _NAME)
    before = set(mod_list(context))
    if same(name) in before:
        programs.run(context.host.commands, ["modprobe", "-r", "--", name]).checked()
    gone = before - set(mod_list(context))
    if persist and name in mod_list(context, only_persist=True):
        path = _file(context)
        lines = []
        for line in lines_of(context.host.files.read_text(path) or ""):
            if not (_is_module(line) and line.split()[0] == name):
                lines.append(line)
            elif comment:
                lines.append(f"#{line}")
        content = "".join(f"{line}\n" for line in lines).encode("utf-8", "surrogateescape")
        context.host.file_system.place(path, content, mode=None)
        gone.add(name)
    return sorted(gone)


def same(mod: str) -> str:
    """Give a module's name as the kernel shows it."""
    return mod.replace("-", "_")


def _is_module(line: str) -> bool:
    return bool(line.strip()) and not line.lstrip().startswith("#")


def _file(context: FunctionContext) -> str:
    if context.host.files.is_directory("/etc/modules-load.d"):
        return "/etc/modules-load.d/salt_managed.conf"
    if context.host.files.exists("/etc/modules"):
        return "/etc/modules"
    raise HostError("there is neither /etc/modules-load.d nor /etc/modules")
