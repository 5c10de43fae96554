"""`limpet keys rotate-master`: the master takes its next key into use, and the minions follow."""

import sys
import time
from typing import Final

import click

from limpet.common.control.replies import Rotation
from limpet.common.crypto.keys import fingerprint
from limpet.common.errors import ExitCode, MasterUnreachable, Stalled
from limpet.common.terminal.colors import is_terminal
from limpet.common.terminal.escape import escape_line
from limpet.common.terminal.session import Session, complain
from limpet.master.client.client import Client
from limpet.master.commands.jobs import FORMAT
from limpet.master.commands.shared.output import write_document

BACK_S: Final = 30.0
"""How long a master may take to start afresh."""
LOOK_S: Final = 0.1
NAMED_MAX: Final = 20
"""So many of those that are left behind are named; all of them are in the JSON."""


@click.command(
    "rotate-master",
    epilog="""\b
Examples:
  limpet keys rotate-master
  limpet keys rotate-master --fresh       somebody may have read the master's disk
  limpet keys rotate-master --yes         also if some minions have to join anew""",
)
@click.option(
    "--fresh",
    "is_fresh",
    is_flag=True,
    help="Throw the keys away that were prepared: only minions that are here now follow.",
)
@click.option(
    "-y", "--yes", "is_sure", is_flag=True, help="Do it even if some minions will not follow."
)
@FORMAT
def command(is_fresh: bool, is_sure: bool, form: str) -> int:
    """Change the master's key for the next one that it has prepared.

    Minions know the next keys beforehand: those that are here follow within seconds, those that
    are away when they come back. Who was never told is named, and nothing is done without --yes.
    The master starts itself afresh; running jobs go on. Join strings made before are dead.
    """
    session = Session.current()
    with Client(session.root, on_notice=session.note) as client:
        shown = client.rotate_master(is_fresh=is_fresh, is_sure=is_sure)
        may_ask = form == "text" and is_terminal(sys.stdin) and is_terminal(sys.stderr)
        if not shown.is_done and may_ask:
            _show_left(shown)
            if click.confirm("Change the key all the same?", default=False, err=True):
                shown = client.rotate_master(is_sure=True, expected=shown.new_key)
        is_back = not shown.is_done or _is_back(client, shown.new_key)
    if form != "text":
        write_document(_data(shown), form)
    elif shown.is_done:
        _show_done(shown)
    else:
        if not may_ask:
            _show_left(shown)
        complain("nothing was changed; with --yes it is, and these minions have to join anew")
    if not is_back:
        complain(
            f"the key is changed on the disk, but no master has answered with it for {BACK_S:g} s: "
            "its log says why"
        )
    return int(ExitCode.OK if shown.is_done and is_back else ExitCode.FAILED)


def _is_back(client: Client, key: str) -> bool:
    """Wait until the master serves with its new key, so that what follows this command finds it."""
    until = time.monotonic() + BACK_S
    while time.monotonic() < until:
        try:
            if client.status().public_key == key:
                return True
        except (MasterUnreachable, Stalled):
            client.close()
        time.sleep(LOOK_S)
    return False


def _show_left(shown: Rotation) -> None:
    """Say on stderr who would be left behind."""
    click.echo(f"{shown.following_count} minions would follow. These would not:", err=True)
    for each in shown.left[:NAMED_MAX]:
        click.echo(f"  {escape_line(f'{each.minion}: {each.why}')}", err=True)
    if shown.left_count > NAMED_MAX:
        click.echo(f"  … and {shown.left_count - NAMED_MAX} more", err=True)


def _show_done(shown: Rotation) -> None:
    write = sys.stdout.write
    write(f"old key:  {_fingerprint(shown.old_key)}\n")
    write(f"new key:  {_fingerprint(shown.new_key)}\n")
    write(f"{shown.following_count} minions know the new key and follow by themselves.\n")
    if shown.left_count:
        write(f"{shown.left_count} must join anew, as they were never told the new key:\n")
        for each in shown.left[:NAMED_MAX]:
            write(f"  {escape_line(f'{each.minion}: {each.why}')}\n")
        if shown.left_count > NAMED_MAX:
            write(f"  … and {shown.left_count - NAMED_MAX} more (--format json has all)\n")
        write("There: `limpet minion setup --join STRING`, with a new join string each.\n")
    tokens = f" ({shown.open_tokens} are open)" if shown.open_tokens else ""
    write(f"Join strings made before now name the old key and are dead{tokens}: make new ones\n")
    write(
        "(`limpet token create`). So is `master_key` in a configuration that names the old one.\n"
    )


def _fingerprint(key: str) -> str:
    return fingerprint(bytes.fromhex(key))


def _data(shown: Rotation) -> dict[str, object]:
    return {
        "is_done": shown.is_done,
        "old": {"key": shown.old_key, "fingerprint": _fingerprint(shown.old_key)},
        "new": {"key": shown.new_key, "fingerprint": _fingerprint(shown.new_key)},
        "following": list(shown.following),
        "following_count": shown.following_count,
        "left_behind": {each.minion: each.why for each in shown.left},
        "left_behind_count": shown.left_count,
        "dead_tokens": shown.open_tokens,
    }
