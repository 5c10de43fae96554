"""The repositories that dnf and yum know: sections of `/etc/yum.repos.d/*.repo`."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext
from limpet.states.data.lines import lines_of

_SECTION: Final = re.compile(r"\[([^\]]+)\]\s*\Z")
_ID: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9._:-]*\Z")
NOT_OPTIONS: Final = frozenset(
    (
        "name", "humanname", "file", "refresh", "refresh_db", "disabled", "key_url", "key_text",
        "keyid", "keyserver", "aptkey", "signedby", "clean_file", "comments", "ppa", "ppa_auth",
        "dist", "comps", "architectures", "consolidate", "allow_insecure_key", "copr", "saltenv",
        "repo", "basedir", "gpgautoimport", "trusted",
    )
)  # fmt: skip
"""Arguments of `pkgrepo.managed` that are no options of a repository."""


@dataclass(slots=True)
class RepositoryFile:
    """One file of repositories: lines, of which sections are changed one by one."""

    path: str
    text: str = ""

    def sections(self) -> dict[str, dict[str, str]]:
        """Give the options of each repository."""
        found: dict[str, dict[str, str]] = {}
        current: dict[str, str] = {}
        last = ""
        for line in lines_of(self.text):
            if match := _SECTION.match(line.strip()):
                current = found.setdefault(match[1], {})
                last = ""
            elif line[:1] in (" ", "\t") and last and line.strip():
                current[last] += f"\n{line.strip()}"
            elif "=" in line and not line.lstrip().startswith(("#", ";")):
                last, _, value = (each.strip() for each in line.partition("="))
                current[last] = value
        return found

    def put(self, name: str, options: Mapping[str, str]) -> None:
        """Set the options of a repository; others of it stay, as do comments before it."""
        self._replace(name, {**self.sections().get(name, {}), **options})

    def drop(self, name: str) -> None:
        """Remove a repository."""
        self._replace(name, None)

    def _replace(self, name: str, options: Mapping[str, str] | None) -> None:
        lines: list[str] = []
        is_inside = is_written = False
        new = [] if options is None else [f"[{name}]", *_lines(options), ""]
        for line in lines_of(self.text):
            match = _SECTION.match(line.strip())
            if match:
                is_inside = match[1] == name
                if is_inside and not is_written:
                    lines += new
                    is_written = True
            if not is_inside:
                lines.append(line)
        if not is_written:
            lines += ["", *new] if lines and lines[-1].strip() else new
        self.text = "\n".join(lines).strip("\n") + "\n" if any(lines) else ""


def _lines(options: Mapping[str, str]) -> list[str]:
    return [f"{key}={value}".replace("\n", "\n    ") for key, value in options.items()]


def options_of(name: str, given: Mapping[str, Any]) -> dict[str, str]:
    """Give the options that a state or function says, as they stand in the file."""
    if not _ID.match(name):
        raise UsageError(f"{name!r} is no id of a repository; what is read by people is humanname")
    found = {"name": str(given.get("humanname") or name)}
    for key, value in given.items():
        if key in NOT_OPTIONS or value is None or key.startswith("__"):
            continue
        found[key] = _value(value)
    if given.get("disabled") is not None:
        found["enabled"] = "0" if given["disabled"] else "1"
    if any("\n" in each and key not in ("baseurl", "gpgkey") for key, each in found.items()):
        raise UsageError(f"an option of the repository {name} has several lines")
    return found


def _value(value: object) -> str:
    if isinstance(value, bool):
        return str(int(value))
    if isinstance(value, list | tuple):
        return "\n".join(str(each) for each in value)
    return str(value)


def all_files(context: FunctionContext) -> list[RepositoryFile]:
    """Read all files of repositories."""
    folder = context.host.packages.repository_places()["folder"]
    file_system = context.host.file_system
    if file_system.facts(folder, is_following=True) is None:
        return []
    return [
        RepositoryFile(
            f"{folder}/{name}",
            file_system.read(f"{folder}/{name}", bytes_max=4 * 1024 * 1024).decode(
                "utf-8", "surrogateescape"
            ),
        )
        for name in file_system.names(folder)
        if name.endswith(".repo")
    ]


def all_repositories(context: FunctionContext) -> dict[str, dict[str, str]]:
    """Give the options of every repository, with its `file`."""
    return {
        name: {**options, "file": file.path}
        for file in all_files(context)
        for name, options in file.sections().items()
        if name != "main"
    }


def differences(old: Mapping[str, str] | None, name: str, new: Mapping[str, str]) -> dict[str, Any]:
    """Give what differs, in Salt's shape."""
    if old is None:
        return {"repo": name}
    return {
        key: {"new": value, "old": old.get(key, "")}
        for key, value in new.items()
        if _normal(key, old.get(key)) != _normal(key, value)
    }


def _normal(key: str, value: str | None) -> object:
    if value is None:
        return "1" if key == "enabled" else None
    lowered = value.strip().lower()
    if lowered in ("1", "yes", "true", "on"):
        return "1"
    if lowered in ("0", "no", "false", "off"):
        return "0"
    return value.split() if key in ("baseurl", "gpgkey") else value


def put(
    context: FunctionContext, name: str, options: Mapping[str, str], file: str | None = None
) -> None:
    """Write a repository into the file that has it, else into one of its own."""
    folder = context.host.packages.repository_places()["folder"]
    files = all_files(context)
    target = next((each for each in files if name in each.sections()), None)
    if target is None:
        path = file or f"{folder}/{name}.repo"
        target = next((each for each in files if each.path == path), RepositoryFile(path))
    target.put(name, options)
    _write(context, target)


def remove(context: FunctionContext, name: str) -> bool:
    """Remove a repository; False: there is none of that name."""
    for file in all_files(context):
        if name in file.sections():
            file.drop(name)
            _write(context, file)
            return True
    return False


def _write(context: FunctionContext, file: RepositoryFile) -> None:
    file_system = context.host.file_system
    if not file.sections():
        file_system.remove(file.path)
        return
    folder = file.path.rpartition("/")[0]
    if file_system.facts(folder, is_following=True) is None:
        context.call("file.makedirs", file.path, mode="0755")
    is_new = file_system.facts(file.path, is_following=True) is None
    content = file.text.encode("utf-8", "surrogateescape")
    file_system.place(file.path, content, mode=0o644 if is_new else None)
