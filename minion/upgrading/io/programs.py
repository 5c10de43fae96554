"""Programs that an upgrade needs: each with a deadline, its output bounded, its whole group ended.

Output goes through a file without a name, so that whatever a package's script leaves running can't
hold the end of a pipe open.
"""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Final, NamedTuple

from limpet.common.errors import HostError

OUTPUT_BYTES_MAX: Final = 64 * 1024
"""The end of the output that is kept."""
END_S: Final = 10.0
"""Between SIGTERM and SIGKILL."""


class Ran(NamedTuple):
    """How a program ended."""

    code: int
    """Its exit code; negative: the signal that ended it."""
    output: str
    is_late: bool = False
    """It was ended because its time was over."""

    @property
    def last_lines(self) -> str:
        """Give what the program said last, fit for a message."""
        lines = [line.strip() for line in self.output.splitlines() if line.strip()]
        return "; ".join(lines[-3:])[-400:]


Run = Callable[[Sequence[str], Mapping[str, str], float], Ran]
"""Runs a program with additions to the environment, for at most so many seconds."""


def run(words: Sequence[str], additions: Mapping[str, str], limit_s: float) -> Ran:
    """Run a program to its end, standard input empty. Raises `HostError` if it can't be started."""
    environment = {**os.environ, "LC_ALL": "C.UTF-8", **additions}
    for name in ("LIMPET_ROOT", "NOTIFY_SOCKET", "PYTHONPATH"):
        environment.pop(name, None)
    with tempfile.TemporaryFile() as output:
        try:
            process = subprocess.Popen(
                list(words),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                env=environment,
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            raise HostError(f"{words[0]} can't be started: {error.strerror}") from error
        is_late = not _wait(process, limit_s)
        if is_late:
            _end(process)
        size = output.seek(0, os.SEEK_END)
        output.seek(max(0, size - OUTPUT_BYTES_MAX))
        text = output.read(OUTPUT_BYTES_MAX).decode("utf-8", "replace")
    return Ran(process.returncode if process.returncode is not None else -9, text, is_late)


def _wait(process: subprocess.Popen[bytes], limit_s: float) -> bool:
    try:
        process.wait(limit_s)
    except subprocess.TimeoutExpired:
        return False
    return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """End the program and what it started; a script that ignores the first word gets the last."""
    for number in (signal.SIGTERM, signal.SIGKILL):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, number)
        if _wait(process, END_S):
            break
    time.sleep(0.1)
