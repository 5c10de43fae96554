"""`sysctl.*`: settings of the running kernel, and those that it gets at boot."""

import re

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.data.lines import lines_of
from limpet.states.ports import programs

_PLAIN = "/etc/sysctl.conf"
_DROP_IN = "/etc/sysctl.d/99-salt.conf"
"""Salt's file: trees that have run before find their settings again."""
_NAME = r"[A-Za-z0-9_][A-Za-z0-9_.:/@*-]{0,254}"


def default_config(context: FunctionContext) -> str:
    """Give the file that settings for the next boot are kept in.

    CLI Example: limpet run '*' sysctl.default_config
    """
    return _DROP_IN if context.host.services.kind == "systemd" else _PLAIN


def get(context: FunctionContext, name: str) -> str:
    """Give a setting of the running kernel, or what is said against it.

    CLI Example: limpet run '*' sysctl.get net.ipv4.ip_forward
    """
    answer = programs.run(context.host.commands, ["sysctl", "-n", "--", _name(name)])
    return answer.stdout.strip() if answer.is_good else answer.complaint


def show(context: FunctionContext, config_file: str | None = None) -> Loose:
    """Give all settings of the running kernel, or of a file.

    CLI Example: limpet run '*' sysctl.show
    """
    if config_file is None:
        text = programs.run(context.host.commands, ["sysctl", "-a"]).stdout
    else:
        found = context.host.files.read_text(config_file)
        if found is None:
            return None
        text = found
    return _settings(text)


def assign(context: FunctionContext, name: str, value: Loose) -> dict[str, str]:
    """Set a setting of the running kernel, not for the next boot.

    CLI Example: limpet run '*' sysctl.assign net.ipv4.ip_forward 1
    """
    path = "/proc/sys/" + _name(name).translate(str.maketrans("./", "/."))
    if not context.host.files.exists(path):
        raise HostError(f"sysctl {name} does not exist")
    text = _value(value)
    answer = programs.run(context.host.commands, ["sysctl", "-w", f"{name}={text}"])
    if not answer.is_good or "Invalid argument" in answer.stderr:
        raise HostError(f"sysctl -w failed: {answer.complaint}")
    key, _, told = answer.stdout.partition(" = ")
    return {key.strip(): told.strip()}


def persist(context: FunctionContext, name: str, value: Loose, config: str | None = None) -> str:
    """Set a setting in a file for the next boot, and of the running kernel.

    Gives `Updated`, or `Already set` where both are so. The file is replaced whole.
    CLI Example: limpet run '*' sysctl.persist net.ipv4.ip_forward 1
    """
    path = config or default_config(context)
    files, file_system = context.host.files, context.host.file_system
    text = files.read_text(path)
    wanted = _value(value)
    kept, is_there = [], False
    for line in lines_of(text or ""):
        if _key(line) != name:
            kept.append(line)
        elif not is_there:  # the first place keeps it; another one further down would win
            is_there = True
            kept.append(f"{name} = {wanted}")
    is_in_file = normal(_settings(text or "").get(name)) == normal(wanted)
    is_live = normal(get(context, name)) == normal(wanted)
    if is_in_file and is_live:
        return "Already set"
    if not is_live:
        assign(context, name, value)
    if not is_in_file:
        kept += [] if is_there else [f"{name} = {wanted}"]
        folder = path.rpartition("/")[0]
        if folder and not files.is_directory(folder):
            file_system.make_directory(folder, 0o755)
        content = "".join(f"{line}\n" for line in kept).encode("utf-8", "surrogateescape")
        file_system.place(path, content, mode=0o644 if text is None else None)
    return "Updated"


def normal(value: Loose) -> str | None:
    """Give a value so that two that mean the same are equal: any blanks are one."""
    return None if value is None else " ".join(str(value).split())


def _name(name: str) -> str:
    return programs.plain_word(name, "the name of a kernel setting", _NAME)


def _value(value: Loose) -> str:
    return programs.plain_line(value, "the value of a kernel setting").strip()


def _key(line: str) -> str | None:
    found = re.match(r"\s*-?([^#;=\s][^=]*?)\s*=", line)
    return found.group(1) if found else None


def _settings(text: str) -> dict[str, str]:
    found = {}
    for line in lines_of(text):
        key = _key(line)
        if key is not None:
            found[key] = line.partition("=")[2].strip()
    return found
