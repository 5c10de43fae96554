"""A service that can't start until a person puts something right: told at once, ended later.

systemd starts a service again a second after its end, for ever, so that no crash strands it. With a
broken configuration that would cost an eighth of a core and thousands of lines of the journal in
an hour; so a process that systemd runs stays for some seconds, in which it does nothing
but look whether a file of the configuration has changed. Started by hand it ends at once.
"""

import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Final

import click

from limpet.common.errors import ExitCode, LimpetError
from limpet.common.observability.logs import Log
from limpet.common.service.notify import Notifier

STAY_S: Final = 5.0
"""Long enough to cost little (a start takes a sixth of a second of CPU), short enough for
`systemctl start`, which waits for the end to tell that the start failed."""
_LOOK_S: Final = 0.25


@contextmanager
def slow_to_fail(configuration: Path, identifier: str) -> Iterator[None]:
    """Let the end by a `LimpetError` of exit code 2 take a while, where systemd is: see `stay`."""
    try:
        yield
    except LimpetError as error:
        if not stay(error, configuration, identifier):
            raise
        raise click.exceptions.Exit(int(error.exit_code)) from error


def stay(error: LimpetError, configuration: Path, identifier: str) -> bool:
    """Tell an error of exit code 2 to systemd and its journal, and wait `STAY_S`, if systemd is.

    `configuration` is the file whose change, or that of a file in the directory beside it
    (`master.d`), ends the wait. SIGTERM does as well, and the process. False: nothing was done.
    """
    notifier = Notifier()
    if error.exit_code != ExitCode.USAGE or not notifier.is_there:
        return False
    before = _state_of(configuration)
    Log(identifier=identifier).error(str(error))
    notifier.status(f"can't start: {error}")
    end = time.monotonic() + STAY_S
    while time.monotonic() < end and _state_of(configuration) == before:
        time.sleep(_LOOK_S)
    return True


def _state_of(configuration: Path) -> list[tuple[str, int, int, int]]:
    """Give what changes with any of the files."""
    found = []
    for path in (configuration, *sorted(configuration.with_suffix(".d").glob("*.yaml"))):
        try:
            status = os.stat(path)
        except OSError:
            continue
        found.append((str(path), status.st_mtime_ns, status.st_size, status.st_mode))
    return found
