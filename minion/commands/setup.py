"""`limpet minion setup`: from a host with the package to a READY minion, or to what is wrong."""

import contextlib
import os
import sys
from pathlib import Path
from typing import Any

import click

from limpet.common.errors import ExitCode, UsageError
from limpet.common.terminal.group import DURATION, format_option
from limpet.common.terminal.session import Session

EPILOG = """\b
Examples:
  limpet minion setup --master salt.example.org --join limpet-join-1.…
  echo limpet-join-1.… | limpet minion setup --master 192.0.2.1 --join -
  limpet minion setup --master 192.0.2.1 --join-file /run/limpet.join --anyway
  limpet minion setup --master 192.0.2.1 --join - --no-start      in an image: no key is made

\b
Exit codes: 0 READY (--no-start: written), 1 refused or wrong, 2 usage, 4 not READY in time,
5 the master can't be reached (nothing was written, without --anyway)"""


@click.command(name="setup", epilog=EPILOG)
@click.option(
    "--master",
    "masters",
    multiple=True,
    metavar="HOST[:PORT]",
    help="Where the master is; several are tried in turn [what is configured].",
)
@click.option("--join", metavar="STRING|-", help="What `limpet token create` printed; -: on stdin.")
@click.option(
    "--join-file",
    metavar="FILE",
    help="The same in a file of mode 0600, which is removed when the minion is READY.",
)
@click.option("--keep-join-file", is_flag=True, help="Leave the file there.")
@click.option(
    "--master-key",
    metavar="KEY",
    help="Without a join string: what `limpet keys show --master` says there.",
)
@click.option("--id", "minion_id", metavar="ID", help="Name of this minion [the host's].")
@click.option(
    "--enrol-port", type=click.IntRange(1, 65535), help="The master's, for new minions [PORT - 1]."
)
@click.option("--no-start", is_flag=True, help="Only write the configuration; no key is made.")
@click.option("--anyway", is_flag=True, help="Write and start even if the master is not reachable.")
@click.option(
    "--timeout",
    "timeout_s",
    type=DURATION,
    default="60s",
    show_default=True,
    metavar="S",
    help="How long to wait for READY.",
)
@format_option("text", "json", text="Text as it comes, or one document at the end.")
def command(
    masters: tuple[str, ...],
    join: str | None,
    join_file: str | None,
    keep_join_file: bool,
    master_key: str | None,
    minion_id: str | None,
    enrol_port: int | None,
    no_start: bool,
    anyway: bool,
    timeout_s: float,
    form: str,
) -> int:
    """Configure the minion of this host, start it, and wait until it is READY.

    Checked first: the join string, the master's name, both ports, and its key. Written:
    minion.d/50-setup.yaml (0600), and there only what is asked for here. Without --join on a
    terminal it is asked for, unless this minion knows its master already.
    """
    from limpet.common.crypto.joinstring import parse_join_string
    from limpet.common.crypto.keys import decode_public_key
    from limpet.minion.setup.joining import STDIN, read_join_file, read_join_input
    from limpet.minion.setup.steps import SettingUp, Wish

    session = Session.current()
    if sum(each is not None for each in (join, join_file, master_key)) > 1:
        raise UsageError("--join, --join-file, --master-key: give one of them")
    path = None if join_file in (None, STDIN) else Path(str(join_file))
    if STDIN in (join, join_file):
        told = read_join_input()
    elif path is not None:
        told = read_join_file(path)
    elif join is not None:
        told = parse_join_string(join)
        from limpet.minion.process.startup import JOIN_WAS_SHOWN

        session.note(JOIN_WAS_SHOWN.replace("put `join` into minion.yaml", "use --join -"))
    else:
        told = None
    wish = Wish(
        masters=masters,
        join=told,
        master_key=None if master_key is None else decode_public_key(master_key),
        minion_id=minion_id,
        enrol_port=enrol_port,
        is_started=not no_start,
        is_forced=anyway,
        timeout_s=timeout_s,
        may_ask=sys.stdin is not None and sys.stdin.isatty(),
    )
    setting_up = SettingUp(session, wish, is_told=form == "text")
    code = setting_up.run()
    if code == ExitCode.OK and path is not None and not no_start and not keep_join_file:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(path)
    if form == "json":
        _write(setting_up.data)
    return int(code)


def _write(data: dict[str, Any]) -> None:
    from limpet.common.terminal.forms import json_text

    sys.stdout.write(f"{json_text(data)}\n")
