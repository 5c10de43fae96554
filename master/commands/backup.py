"""`limpet master backup FILE` and `limpet master restore FILE`: on the master's host, as root."""

import os
import sys
from pathlib import Path
from typing import Final

import click

from limpet.common.errors import UsageError
from limpet.common.service.paths import Roots
from limpet.common.terminal.escape import escape_line
from limpet.common.terminal.session import Session
from limpet.common.terminal.times import iso_utc

PASSPHRASE_BYTES_MAX: Final = 4096
FILE = click.argument("file", type=click.Path(path_type=Path, dir_okay=False))
PASSPHRASE = click.option(
    "--passphrase-file",
    metavar="FILE",
    help="The first line of FILE (-: of stdin) is the keys' passphrase [asked for on a terminal].",
)


@click.command(
    "backup",
    epilog="""\b
Examples:
  limpet master backup /var/backups/limpet.backup --force         each night
  limpet master backup /media/safe/limpet.backup --with-keys      once, and after a rotation""",
)
@FILE
@click.option("--with-keys", is_flag=True, help="The master's keys too, sealed by a passphrase.")
@PASSPHRASE
@click.option("--force", is_flag=True, help="FILE may exist; it is replaced when all is written.")
def backup(file: Path, with_keys: bool, passphrase_file: str | None, force: bool) -> None:
    """Save what this master can't be made anew from, whether it runs or not.

    In FILE (mode 0600) are the store, with what jobs returned, and the configuration; keys only
    on demand. Trees of states and pillar, and packages for upgrades, are not: keep the former
    under version control. FILE appears whole or not at all.
    """
    from limpet.master.backup.making import make_backup

    session = Session.current()
    roots = Roots.locate("master", session.root)
    _check_user(roots)
    if passphrase_file is not None and not with_keys:
        raise UsageError("--passphrase-file is for --with-keys")
    passphrase = None
    if with_keys:
        passphrase = _passphrase(passphrase_file, is_new=True)
    made = make_backup(roots, file, passphrase=passphrase, is_replaced=force)
    key = f"the keys of {made.master_key}" if made.has_keys else "without keys"
    click.echo(f"saved: {made.path} ({made.size_bytes} bytes, {key})")
    if not made.has_keys:
        session.note("minions obey nobody without the keys: see that you have them --with-keys")


@click.command(
    "restore",
    epilog="""\b
Examples:
  limpet master restore limpet.backup                on a new host, behind dpkg -i
  limpet master restore limpet.backup --replace      the store of this host is damaged""",
)
@FILE
@PASSPHRASE
@click.option("--replace", is_flag=True, help="Move a store that is here aside.")
@click.option("--new-key", is_flag=True, help="Do without the old keys: every minion joins anew.")
def restore(file: Path, passphrase_file: str | None, replace: bool, new_key: bool) -> None:
    """Put a master's store, configuration and keys back. The master must not run.

    Keys that this host has stay; configuration that differs gets the backup's put beside it
    (.from-backup). What the master had not sent to minions when the backup was made is not sent
    any more, since it may have run.
    """
    from limpet.master.backup.restoring import restore_backup

    session = Session.current()
    roots = Roots.locate("master", session.root)
    done = restore_backup(
        roots,
        file,
        passphrase=lambda: _passphrase(passphrase_file, is_new=False),
        is_replaced=replace,
        is_new_key=new_key,
    )
    contents = done.contents
    of = f"limpet {contents.version} on {contents.host}"
    click.echo(escape_line(f"restored: {file}, made {iso_utc(contents.made_s)} by {of}"))
    keys = {
        "restored": "keys: put back",
        "kept": "keys: those that are on this host stay",
        "none": "keys: none; the master makes new ones, and every minion has to join anew",
    }
    click.echo(keys[done.keys])
    if done.store_aside is not None:
        click.echo(f"the store that was here: {done.store_aside}")
    for each in done.beside:
        click.echo(f"compare: {each}")
    start = "systemctl enable --now limpet-master" if roots.base is None else "limpet master"
    click.echo(f"next: {start}, and some seconds later limpet doctor")


def _check_user(roots: Roots) -> None:
    """See to it that the store can be read, and that nothing of somebody else's is left in it."""
    try:
        owner = roots.state_dir.stat().st_uid
    except OSError as error:
        raise UsageError(
            f"there is no master's state at {roots.state_dir}: {error.strerror}"
        ) from (error)
    if os.geteuid() not in (0, owner):
        raise UsageError(f"{roots.state_dir} is the master's alone: run it as root")


def _passphrase(path: str | None, *, is_new: bool) -> str:
    """Give the passphrase: from the file, from stdin, or asked for."""
    if path == "-":
        text = sys.stdin.read(PASSPHRASE_BYTES_MAX) if sys.stdin is not None else ""
    elif path is not None:
        try:
            with open(path, encoding="utf-8") as file:
                text = file.read(PASSPHRASE_BYTES_MAX)
        except UnicodeDecodeError as error:
            raise UsageError(f"{path} is no text") from error
    elif sys.stdin is not None and sys.stdin.isatty():
        text = click.prompt(
            "Passphrase of the keys", hide_input=True, confirmation_prompt=is_new, err=True
        )
    else:
        raise UsageError("the keys need a passphrase: --passphrase-file FILE, or a terminal")
    lines = text.splitlines()
    if not lines or not lines[0]:
        raise UsageError("the passphrase is empty")
    return lines[0]
