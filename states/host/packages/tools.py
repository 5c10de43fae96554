"""Running the tools of a package manager: in a known language, without questions, in time."""

import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from limpet.states.ports.machine import Command, Commands, Completed
from limpet.states.ports.packages import PackageError

QUESTION_S: Final = 180.0
"""For what only looks."""
REFRESH_S: Final = 1800.0
CHANGE_S: Final = 4 * 3600.0
"""For what installs and removes. Ending it half-way does harm, so it is far beyond honest work."""

_USUAL_PATH: Final = "/usr/local/bin:/usr/bin:/bin"
_ADMINISTRATORS: Final = ("/usr/local/sbin", "/usr/sbin", "/sbin")
_UMASK: Final = 0o022
"""Whatever the minion's own is: what packages put there is to be read by everybody."""

_TEXT_CHARACTERS_MAX: Final = 2000


@dataclass
class Tools:
    """The programs of this machine, as a package manager's adapter runs them."""

    commands: Commands
    extra: Mapping[str, str] = field(default_factory=dict)
    """Environment for all of them."""
    clock: Callable[[], float] = time.monotonic
    wall_clock: Callable[[], float] = time.time
    sleep: Callable[[float], None] = time.sleep

    def environment(self) -> dict[str, str]:
        """Give the process's own environment with messages in English and no one to ask."""
        kept = {
            key: value
            for key, value in self.commands.environment().items()
            if key not in ("LANGUAGE", "LANG") and not key.startswith("LC_")
        }
        path = kept.get("PATH", _USUAL_PATH)
        folders = path.split(":")
        # Packages' own scripts count on the programs of the administrator.
        path = ":".join([path, *(each for each in _ADMINISTRATORS if each not in folders)])
        return {**kept, "PATH": path, "LC_ALL": "C.UTF-8", **self.extra}

    def run(
        self, argv: Sequence[str], *, limit_s: float = QUESTION_S, stdin: str | None = None
    ) -> Completed:
        """Run a tool to its end; one that takes too long is ended, and that is an error."""
        done = self.commands.run(
            Command(
                tuple(argv),
                environment=self.environment(),
                cwd="/",
                umask=_UMASK,
                stdin=None if stdin is None else stdin.encode(),
                timeout_s=limit_s,
            )
        )
        if done.is_timed_out:
            raise PackageError([f"{argv[0]} did not end within {limit_s:g} s and was ended"])
        return done

    def ask(self, argv: Sequence[str], *, allowed: Sequence[int] = (0,)) -> str:
        """Run a tool that only looks and give what it prints; other retcodes are errors."""
        done = self.run(argv)
        if done.retcode not in allowed:
            raise PackageError(complaints(done, argv[0]))
        return text(done.stdout)


def text(output: bytes) -> str:
    """Give a tool's output as text."""
    return output.decode("utf-8", "replace")


def complaints(done: Completed, program: str) -> list[str]:
    """Give the errors that a tool has told: its lines for them, else the last that it said."""
    said = f"{text(done.stdout)}\n{text(done.stderr)}"
    lines = [line.strip() for line in said.splitlines()]
    found = [
        f"{line} {following}" if line.endswith(":") else line
        for line, following in zip(lines, [*lines[1:], ""], strict=True)
        if re.match(r"E: |Error: |error: |dpkg(-\w+)?: error|rpm: ", line, re.ASCII)
    ]
    if not found:
        told = [line.strip() for line in text(done.stderr).splitlines() if line.strip()]
        last = "\n".join(told[-5:])[-_TEXT_CHARACTERS_MAX:]
        found = [last or f"{program} ended with retcode {done.retcode} and said nothing"]
    return list(dict.fromkeys(found))
