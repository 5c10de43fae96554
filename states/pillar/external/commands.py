"""Running a command for its output, for the sources that are made of one."""

import shlex
from typing import Final

from limpet.common.errors import HostError
from limpet.states.pillar.external.source import Asked
from limpet.states.ports.machine import Command

TIMEOUT_S: Final = 8.0
"""Less than a whole rendering may take, so that the command is named as what took so long."""
OUTPUT_BYTES_MAX: Final = 4 * 1024 * 1024


def output_of(asked: Asked, command: str, timeout_s: float = TIMEOUT_S) -> str:
    """Run a command line in a shell, as Salt does, with `%s` replaced by the minion's id.

    Raises `HostError` where it fails, takes too long, or says too much or no text.
    """
    # An id can be no code for a shell by its grammar; the quoting holds even if that is widened.
    line = command.replace("%s", shlex.quote(asked.minion_id))
    commands = asked.host.commands
    done = commands.run(
        Command(("/bin/sh", "-c", line), commands.environment(), timeout_s=timeout_s)
    )
    if done.is_timed_out:
        raise HostError(f"{command!a} took longer than {timeout_s:g} s")
    if done.retcode != 0:
        said = done.stderr.decode("utf-8", "replace").strip().splitlines()
        told = f": {said[-1][:300]}" if said else ""
        raise HostError(f"{command!a} ended with {done.retcode}{told}")
    if done.is_cut or len(done.stdout) > OUTPUT_BYTES_MAX:
        raise HostError(f"{command!a} put out more than {OUTPUT_BYTES_MAX} bytes")
    try:
        return done.stdout.decode()
    except UnicodeDecodeError as error:
        raise HostError(f"{command!a} put out what is not UTF-8") from error
