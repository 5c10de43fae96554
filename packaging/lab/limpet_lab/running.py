"""Run one program of the machine's, with a limit on how long it may take.

Output goes through files and not through pipes: a daemon that a command leaves behind keeps a pipe
open, and whoever reads to its end waits for the daemon. Nothing here knows of hosts.
"""

import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path


class LabError(Exception):
    """The lab could not do what it was asked; the message says what, where, and what to do next."""


@dataclass(frozen=True, slots=True)
class Result:
    """What a program answered."""

    argv: tuple[str, ...]
    code: int
    out: str
    err: str

    def checked(self) -> "Result":
        """Give this result if the program ended well; raises LabError with its last words."""
        if self.code != 0:
            said = f"{self.out.strip()[-2000:]}\n{self.err.strip()[-2000:]}".strip() or "nothing"
            raise LabError(f"{' '.join(self.argv)} ended with {self.code}, saying: {said}")
        return self


def run(
    argv: Sequence[str],
    *,
    timeout_s: float = 60.0,
    given: str = "",
    environment: Mapping[str, str] | None = None,
    shown: Sequence[str] = (),
) -> Result:
    """Run a program to its end; raises LabError if it takes longer than `timeout_s`.

    `shown`: what the program is called in results and errors, where its words would say little.
    """
    called = tuple(shown or argv)
    with (
        tempfile.TemporaryFile() as out,
        tempfile.TemporaryFile() as err,
        tempfile.TemporaryFile() as stdin,
    ):
        stdin.write(given.encode())
        stdin.seek(0)
        process = subprocess.Popen(
            argv,
            stdin=stdin,
            stdout=out,
            stderr=err,
            start_new_session=True,
            env=None if environment is None else {**os.environ, **environment},
        )
        try:
            code = process.wait(timeout_s)
        except subprocess.TimeoutExpired:
            code = None
        except BaseException:  # a test that is interrupted leaves nothing running
            _kill_group(process)
            raise
        if code is None:
            _kill_group(process)
        texts = []
        for file in (out, err):
            file.seek(0)
            texts.append(file.read().decode(errors="replace"))
    if code is None:
        said = (texts[1] or texts[0])[-2000:].strip()
        raise LabError(f"{' '.join(called)} did not end within {timeout_s:g} s, saying: {said}")
    return Result(called, code, texts[0], texts[1])


def detach(argv: Sequence[str], log: Path) -> None:
    """Start a program that outlives this one; its output is added to `log`."""
    with log.open("ab") as file:
        subprocess.run(
            ["setsid", "--fork", *argv],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            check=True,
            timeout=10,
        )


def wait_until(is_so: Callable[[], bool], timeout_s: float, pause_s: float = 0.1) -> bool:
    """Wait for a condition; returns whether it came within `timeout_s`."""
    deadline = time.monotonic() + timeout_s
    while not is_so():
        if time.monotonic() > deadline:
            return False
        time.sleep(pause_s)
    return True


def _kill_group(process: "subprocess.Popen[bytes]") -> None:
    """Kill the program and its children, those in a host's own process namespace too."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait(10)
