"""What stands behind the names of `update-alternatives`, and calling that tool."""

import re
from dataclasses import dataclass
from typing import Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.ports.machine import Command

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


def look(context: FunctionContext, name: str) -> Alternatives | None:
    """Give all that stands behind a name; None: there is no such name."""
    code, said = run(context, ["--display", check_name(name)])
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


def run(context: FunctionContext, words: list[str]) -> tuple[int, str]:
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
