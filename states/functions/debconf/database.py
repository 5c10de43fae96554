"""Asking debconf's database and answering in it, by the tools of the package `debconf`."""

import re
from typing import Any, Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.ports.machine import Command

_LIMIT_S: Final = 120.0
_WORD: Final = re.compile(r"[A-Za-z0-9][A-Za-z0-9+./:_-]*\Z")
TYPES: Final = frozenset(
    ("string", "boolean", "select", "multiselect", "note", "text", "password", "title", "error")
)
_NO_SUCH_QUESTION: Final = 10
"""What debconf-communicate ends with where the last question is not known."""
HIDDEN: Final = "(password omitted)"

Answer = tuple[str, str]
"""Type and value."""


def selections(content: str, path: str) -> list[tuple[str, str, str, str]]:
    """Read lines of `OWNER QUESTION TYPE VALUE`. Raises `UsageError` that names the line."""
    found: list[tuple[str, str, str, str]] = []
    for number, line in enumerate(content.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = line.strip().split(None, 3)
        if len(words) < 3:
            raise UsageError(f"{path}:{number}: a line is: package question type value")
        found.append((words[0], words[1], words[2], words[3] if len(words) > 3 else ""))
    return found


def answers(context: FunctionContext, owner: str, questions: list[str]) -> dict[str, Answer]:
    """Give type and value of those of the questions that are known; nothing is changed."""
    if not questions:
        return {}
    lines = [f"{word} {check(each)}{rest}" for each in questions for word, rest in
             (("GET", ""), ("METAGET", " type"))]  # fmt: skip
    said = ask(
        context,
        ["debconf-communicate", check(owner)],
        stdin="".join(f"{each}\n" for each in lines),
        unknown=_NO_SUCH_QUESTION,
    ).splitlines()
    found: dict[str, Answer] = {}
    for index, question in enumerate(questions):
        pair = said[2 * index : 2 * index + 2]
        if len(pair) == 2 and all(each.split(" ", 1)[0] == "0" for each in pair):
            value, type_ = (each.partition(" ")[2] for each in pair)
            found[question] = (type_, value)
    return found


def put(context: FunctionContext, chosen: list[tuple[str, str, str, str]]) -> None:
    """Answer questions: package, question, type and value of each. Raises `HostError`."""
    lines: list[str] = []
    for package, question, type_, value in chosen:
        if type_ not in TYPES and type_ != "seen":
            raise UsageError(f"{type_!r} is no type of a question: {', '.join(sorted(TYPES))}")
        if "\n" in value:
            raise UsageError(
                f"the answer to {question} has several lines, which debconf can't read"
            )
        lines.append(f"{check(package)} {check(question)} {type_} {value}\n")
    ask(context, ["debconf-set-selections"], stdin="".join(lines))


def plain(value: Loose) -> str:
    """Give a value as debconf writes it: YAML reads `true` and numbers."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return "" if value is None else str(value)


def check(word: str) -> str:
    """Give the name of a package or question back. Raises `UsageError` if it can't be one."""
    if not _WORD.match(word):
        raise UsageError(f"{word!r} is no name of a package or of a question of debconf")
    return word


def questions_of(context: FunctionContext, name: str) -> list[str]:
    """Name the questions of a package."""
    printed = ask(context, ["debconf-show", check(name)])
    return [match[1] for match in re.finditer(r"(?m)^[* ] (\S+?):(?: .*)?$", printed)]


def ask(
    context: FunctionContext, argv: list[str], *, stdin: str | None = None, unknown: int = 0
) -> str:
    """Run a tool and give what it prints; `unknown` is a retcode that is no failure."""
    commands = context.host.commands
    if commands.which(argv[0]) is None:
        raise HostError(f"{argv[0]} is not there: debconf is for Debian and its kin")
    environment: dict[str, Any] = {
        **commands.environment(), "LC_ALL": "C.UTF-8", "DEBIAN_FRONTEND": "noninteractive",
    }  # fmt: skip
    done = commands.run(
        Command(
            tuple(argv),
            environment=environment,
            cwd="/",
            stdin=None if stdin is None else stdin.encode(),
            timeout_s=_LIMIT_S,
        )
    )
    if done.is_timed_out:
        raise HostError(f"{argv[0]} did not end within {_LIMIT_S:g} s")
    problems = done.stderr.decode("utf-8", "replace").strip()
    if done.retcode not in (0, unknown) or problems.startswith("error:"):
        raise HostError(f"{argv[0]}: {problems or f'ended with retcode {done.retcode}'}")
    return done.stdout.decode("utf-8", "replace")
