"""`alternatives.*`: which of several programs stands under a common name."""

import re
from dataclasses import dataclass
from typing import Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.ports import Command

_LIMIT_S: Final = 60.0
_NAME: Final = re.compile(r"[A-Za-z0-9_][^\s/\x00-\x1f]*\Z")


@dataclass(frozen=True, slots=True)
class Alternatives:
    """All that stands behind one name."""

    is_automatic: bool
    link: str = ""
    current: str = ""
    """Where the link leads; empty: nowhere."""
    priorities: tuple[tuple[str, int], ...] = ()
    """The alternatives' paths with their priorities."""

    @property
    def paths(self) -> list[str]:
        """The alternatives' paths."""
        return [path for path, _ in self.priorities]


def display(context: FunctionContext, name: str) -> str:
    """Give what the tool shows of a name.

    CLI Example: limpet run '*' alternatives.display editor
    """
    _code, said = _run(context, ["--display", check_name(name)])
    return said


def show_link(context: FunctionContext, name: str) -> str | bool:
    """Give the link that a name stands for; False: there is no such name.

    CLI Example: limpet run '*' alternatives.show_link editor
    """
    found = look(context, name)
    return found.link if found is not None and found.link else False


def show_current(context: FunctionContext, name: str) -> str | bool:
    """Give the path that a name leads to now; False: there is no such name.

    CLI Example: limpet run '*' alternatives.show_current editor
    """
    found = look(context, name)
    return found.current if found is not None and found.current else False


def check_exists(context: FunctionContext, name: str, path: str) -> bool:
    """Say whether a path is one of the alternatives of a name.

    CLI Example: limpet run '*' alternatives.check_exists editor /usr/bin/vim
    """
    found = look(context, name)
    return found is not None and path in found.paths


def check_installed(context: FunctionContext, name: str, path: str) -> bool:
    """Say whether a name leads to a path now.

    CLI Example: limpet run '*' alternatives.check_installed editor /usr/bin/vim
    """
    return show_current(context, name) == path


def install(context: FunctionContext, name: str, link: str, path: str, priority: int) -> str:
    """Add an alternative to a name, which is made if need be; give what the tool says.

    CLI Example: limpet run '*' alternatives.install editor /usr/bin/editor /usr/bin/emacs23 50
    """
    words = [check_path(link), check_name(name), check_path(path), str(priority)]
    return _changed(context, ["--install", *words])


def remove(context: FunctionContext, name: str, path: str) -> str:
    """Remove an alternative of a name; give what the tool says.

    CLI Example: limpet run '*' alternatives.remove editor /usr/bin/emacs23
    """
    return _changed(context, ["--remove", check_name(name), check_path(path)])


def auto(context: FunctionContext, name: str) -> str:
    """Let the priorities decide; give what the tool says.

    CLI Example: limpet run '*' alternatives.auto editor
    """
    return _changed(context, ["--auto", check_name(name)])


def set_(context: FunctionContext, name: str, path: str) -> str:
    """Lead a name to a path until somebody says otherwise; give what the tool says.

    CLI Example: limpet run '*' alternatives.set editor /usr/bin/vim.basic
    """
    return _changed(context, ["--set", check_name(name), check_path(path)])


def look(context: FunctionContext, name: str) -> Alternatives | None:
    """Give all that stands behind a name; None: there is no such name."""
    code, said = _run(context, ["--display", check_name(name)])
    if code != 0:
        return None
    head = said.partition("\n")[0]
    link = re.search(r"(?m)^ *link \S+ is (.+)$", said)
    current = re.search(r"(?m)^ *link currently points to (.+?)\.?$", said)
    priorities = re.findall(r"(?m)^(/.*?) - (?:family \S+ )?priority (-?\d+)$", said)
    path = current[1] if current else ""
    return Alternatives(
        is_automatic=head.endswith("auto mode") or "status is auto" in head,
        link=link[1] if link else "",
        current=path,
        priorities=tuple((each, int(number)) for each, number in priorities),
    )


def check_name(name: str) -> str:
    """Give the name back, if it can be one. Raises `UsageError`."""
    if not _NAME.match(name):
        raise UsageError(f"{name!r} is no name of alternatives")
    return name


def check_path(path: str) -> str:
    """Give the path back, if it is absolute. Raises `UsageError`."""
    if not path.startswith("/"):
        raise UsageError(f"{path!r} is not an absolute path")
    return path


def _changed(context: FunctionContext, words: list[str]) -> str:
    code, said = _run(context, words)
    if code != 0:
        context.retcode = code
    return said


def _run(context: FunctionContext, words: list[str]) -> tuple[int, str]:
    """Run the tool; give its retcode and what it says, with what is wrong if something is."""
    commands = context.host.commands
    program = commands.which("update-alternatives") or commands.which("alternatives")
    if program is None:
        raise HostError("update-alternatives is not there; the package manager brings it")
    done = commands.run(
        Command(
            (program, *words),
            environment={**commands.environment(), "LC_ALL": "C.UTF-8"},
            cwd="/",
            timeout_s=_LIMIT_S,
        )
    )
    if done.is_timed_out:
        raise HostError(f"{program} did not end within {_LIMIT_S:g} s")
    out = done.stdout.decode("utf-8", "replace").strip()
    problems = done.stderr.decode("utf-8", "replace").strip()
    return done.retcode, out if done.retcode == 0 else problems or out
