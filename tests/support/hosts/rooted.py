"""Files and programs of a machine whose root is a folder: nothing outside of it can be reached."""

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, cast

from limpet.states.host.files import LocalFiles
from limpet.states.host.filesystem import LocalFileSystem
from limpet.states.ports.file_system import FileSystem
from limpet.states.ports.machine import Command, Completed, Files
from support.fakes.host import FakeCommands, FakeHost

_PATHS = {
    "rename": 2, "copy": 2, "place_copy": 2, "make_hard_link": 2, "is_same_content": 2, "umask": 0,
}  # fmt: skip
"""How many of the first arguments are paths; else one. The target of a symbolic link is a text."""


class _Rooted:
    """Hands calls on with their paths led below the root, and gives paths as seen from there."""

    def __init__(self, real: object, root: Path) -> None:
        self._real = real
        self._root = str(root)

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401
        method = getattr(self._real, name)
        count = _PATHS.get(name, 1)

        def call(*arguments: Any, **named: Any) -> Any:  # noqa: ANN401
            led = [self._led(each) for each in arguments[:count]]
            if name == "place_script":
                led, named = list(arguments[:1]), {**named, "directory": self._led("/tmp")}
            answer = method(*led, *arguments[count:], **named)
            return self._seen(answer) if name in ("walk", "real_path") else answer

        return call

    def _led(self, path: str) -> str:
        if path == self._root or path.startswith(f"{self._root}/"):
            return path
        assert os.path.isabs(path), path
        return os.path.normpath(f"{self._root}/{path}")

    def _seen(self, answer: Any) -> Any:  # noqa: ANN401
        if isinstance(answer, str):
            return answer.removeprefix(self._root) or "/"
        return [(self._seen(top), folders, files) for top, folders, files in answer]


def rooted_files(root: Path) -> Files:
    """Give the files below a folder."""
    return cast("Files", _Rooted(LocalFiles(), root))


def rooted_file_system(root: Path) -> FileSystem:
    """Give the file system below a folder."""
    return cast("FileSystem", _Rooted(LocalFileSystem(), root))


Program = Callable[[list[str], str], tuple[int, str]]
"""Takes the words after the program's name and its input; gives retcode and what it prints."""


@dataclass
class Programs:
    """Answers programs by name; each is a function."""

    known: Mapping[str, Program] = field(default_factory=dict)

    def commands(self) -> FakeCommands:
        """Give commands that have these programs only."""
        return FakeCommands({name: f"/usr/bin/{name}" for name in self.known}, self._answer)

    def _answer(self, command: Command) -> Completed:
        name = command.argv[0].rpartition("/")[2]
        stdin = (command.stdin or b"").decode()
        retcode, text = self.known[name](list(command.argv[1:]), stdin)
        said = text.encode()
        return Completed(7, retcode, b"" if retcode else said, said if retcode else b"")


def rooted_host(root: Path, **programs: Program) -> FakeHost:
    """Give a made-up machine with its root in a folder and these programs."""
    known = {name.replace("_", "-"): program for name, program in programs.items()}
    commands = Programs(known).commands()
    return FakeHost(
        commands,
        files=cast("Any", rooted_files(root)),
        file_system=rooted_file_system(root),
    )


def contained(host: FakeHost, root: Path) -> FakeHost:
    """Give a made-up machine that reaches no file outside of a folder."""
    host.file_system = rooted_file_system(root)
    return host
