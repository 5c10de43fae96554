"""Programs of the machine that functions lean on (`useradd`, `crontab`, …): run as they are.

Never through a shell, always with a limit, in the language C so that what they print can be read.
What goes in secretly goes through standard input: an argument can be seen by every user.
"""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from limpet.common.errors import HostError
from limpet.states.ports.machine import Command, Commands

_LIMIT_S: Final = 60.0
_PATH: Final = "/usr/local/sbin:/usr/sbin:/sbin:/usr/local/bin:/usr/bin:/bin"
_LOCALE: Final = {"LC_ALL": "C", "LANG": "C", "LANGUAGE": "C"}


@dataclass(frozen=True, slots=True)
class Answer:
    """How a program ended and what it said."""

    argv: tuple[str, ...]
    retcode: int
    stdout: str
    stderr: str

    @property
    def is_good(self) -> bool:
        """It ended with 0."""
        return self.retcode == 0

    @property
    def complaint(self) -> str:
        """What it said against it; else that it ended badly."""
        said = self.stderr.strip() or self.stdout.strip()
        return said or f"{self.argv[0]} ended with {self.retcode}"

    def checked(self) -> "Answer":
        """Give the answer if the program ended well. Raises `HostError` with its complaint."""
        if not self.is_good:
            raise HostError(self.complaint)
        return self


def find(commands: Commands, name: str) -> str | None:
    """Give the path of a program, looked for in the directories of root too."""
    own = commands.environment().get("PATH", "")
    return commands.which(name, f"{own}:{_PATH}" if own else _PATH)


def run(
    commands: Commands,
    argv: Sequence[str],
    *,
    stdin: str | None = None,
    user: str | None = None,
    limit_s: float = _LIMIT_S,
    environment: Mapping[str, str] | None = None,
) -> Answer:
    """Run a program to its end and give what it says.

    Raises `HostError` if it is not installed, can't be started or does not end in time.
    """
    path = find(commands, argv[0])
    if path is None:
        raise HostError(f"the program {argv[0]!r} is not installed, or not on the PATH")
    whole = {**commands.environment(), **_LOCALE, **(environment or {})}
    whole.pop("NOTIFY_SOCKET", None)  # the service manager's line is the minion's alone
    whole["PATH"] = ":".join(each for each in (whole.get("PATH"), _PATH) if each)
    completed = commands.run(
        Command(
            (path, *argv[1:]),
            environment=whole,
            cwd="/",
            stdin=None if stdin is None else stdin.encode("utf-8", "surrogateescape"),
            user=user,
            timeout_s=limit_s,
        )
    )
    if completed.is_timed_out:
        raise HostError(f"{' '.join(argv[:3])!r} did not end within {limit_s:g} s and was ended")
    return Answer(
        tuple(argv),
        completed.retcode,
        completed.stdout.decode("utf-8", "surrogateescape"),
        completed.stderr.decode("utf-8", "surrogateescape"),
    )


def plain_word(value: object, what: str, pattern: str) -> str:
    """Give a name as a text if all of it matches the pattern and it is no option of a program.

    Raises `HostError` naming what it is meant to be.
    """
    text = str(value)
    if text.startswith("-") or "\0" in text or not re.fullmatch(pattern, text):
        raise HostError(f"{text!r:.80} can't be {what}")
    return text


def plain_line(value: object, what: str, without: str = "") -> str:
    """Give a text that stands on one line of a file: no line break, no NUL, none of `without`.

    Raises `HostError` naming what it is meant to be.
    """
    text = str(value)
    for character in ("\n", "\r", "\0", *without):
        if character in text:
            raise HostError(f"{what} must not contain {character!r}: {text!r:.80}")
    return text
