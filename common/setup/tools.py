"""Running a program of the host, with a limit on its time."""

import os
import subprocess
from typing import Final, NamedTuple

from limpet.common.errors import HostError

OUTPUT_CHARACTERS_MAX: Final = 1_000_000
_SEARCH_PATH: Final = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"


class Ran(NamedTuple):
    """How a program ended, and what it said."""

    code: int
    out: str
    err: str

    @property
    def complaint(self) -> str:
        """The last line it wrote to stderr, else to stdout; where there is none, its exit code."""
        lines = (self.err.strip() or self.out.strip()).splitlines()
        return lines[-1].strip() if lines else f"it ended with code {self.code}"


def run_tool(*command: str, limit_s: float) -> Ran:
    """Run a program in the C locale, without a terminal or pager.

    Raises `HostError` if it is not there, can't be started or takes longer than `limit_s`.
    """
    environment = {
        **os.environ,
        "PATH": os.environ.get("PATH") or _SEARCH_PATH,
        "LC_ALL": "C",
        "SYSTEMD_PAGER": "",
        "SYSTEMD_COLORS": "0",
    }
    try:
        done = subprocess.run(
            command,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            timeout=limit_s,
            check=False,
            env=environment,
        )
    except FileNotFoundError as error:
        raise HostError(f"{command[0]} is not installed") from error
    except subprocess.TimeoutExpired as error:
        line = " ".join(command)
        raise HostError(f"`{line}` did not end within {limit_s:g} s") from error
    except OSError as error:
        raise HostError(f"{command[0]} can't be run: {error.strerror}") from error
    return Ran(
        done.returncode,
        done.stdout.decode("utf-8", "replace")[:OUTPUT_CHARACTERS_MAX],
        done.stderr.decode("utf-8", "replace")[:OUTPUT_CHARACTERS_MAX],
    )
