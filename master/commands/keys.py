"""`limpet keys`: which minions are trusted.

What is changed is exactly what was shown: a glob is first turned into keys, and then their
fingerprints are sent, so that a key which comes in between is not accepted unseen.
"""

import sys
import time
from collections.abc import Sequence
from fnmatch import fnmatchcase
from typing import Final

import click

from limpet.common.control.replies import KeyInfo
from limpet.common.control.requests import KeyAction
from limpet.common.crypto.keys import fingerprint
from limpet.common.errors import ExitCode, UsageError
from limpet.common.terminal.colors import Palette, is_terminal
from limpet.common.terminal.escape import escape_line
from limpet.common.terminal.session import Session, complain
from limpet.common.terminal.times import iso_utc, local_text
from limpet.master.client.client import Client
from limpet.master.commands.jobs import FORMAT
from limpet.master.commands.rotate_master import command as rotate_master
from limpet.master.commands.shared.output import write_document

_HEADS: Final = {
    "accepted": ("Accepted keys:", "green"),
    "pending": ("Pending keys:", "red"),
    "rejected": ("Rejected keys:", "yellow"),
    "conflict": ("Conflicts (the id has another key):", "red"),
}
_DONE: Final[dict[KeyAction, str]] = {
    "accept": "accepted",
    "reject": "rejected",
    "delete": "deleted",
}


@click.group(
    epilog="""\b
Examples:
  limpet keys list
  limpet keys accept web1
  limpet keys accept 'web*' --yes
  limpet keys accept 1f0c 92ab …          a fingerprint, as `keys list` shows it
  limpet keys reject web1                 its session ends at once
  limpet keys rotate-master               the master takes its next key into use"""
)
def command() -> None:
    """List, show, accept, reject or delete the keys of minions; rotate the master's."""


@command.command("list")
@click.option(
    "--state",
    type=click.Choice(list(_HEADS)),
    help="Only keys in this state.",
)
@FORMAT
def list_keys(state: str | None, form: str) -> int:
    """List all keys with their fingerprints."""
    session = Session.current()
    with Client(session.root, on_notice=session.note) as client:
        known = client.keys()
    keys = [key for key in known if state in (None, key.state)]
    if form != "text":
        write_document({"keys": [_data(key) for key in keys]}, form)
        return 0
    _print_keys(keys, session.palette)
    return 0


@command.command("show")
@click.argument("patterns", nargs=-1, metavar="[ID|GLOB|FINGERPRINT…]")
@click.option("--master", "is_master", is_flag=True, help="The master's own public key.")
@FORMAT
def show(patterns: tuple[str, ...], is_master: bool, form: str) -> int:
    """Show single keys: state, fingerprint, where the minion came from, which token it used.

    With --master: the master's own public key and its fingerprint, for `master_key` in the
    minion.yaml of a minion that has no join string; and the fingerprints of the keys that it
    will have after the next rotations, and of the site key that signs them.
    """
    session = Session.current()
    if is_master == bool(patterns):
        raise UsageError("name the keys to show, or say --master for the master's own")
    if is_master:
        return _show_master(session, form)
    with Client(session.root, on_notice=session.note) as client:
        known = client.keys()
    keys = [key for key in known if any(_is_meant(key, each) for each in patterns)]
    if form != "text":
        write_document({"keys": [_data(key) for key in keys]}, form)
    for key in keys if form == "text" else ():
        for name, text in _data(key).items():
            sys.stdout.write(f"{name + ':':14}{escape_line(text or '')}\n")
        sys.stdout.write("\n")
    if not keys:
        complain(f"no key matches {_shown(patterns)}")
        return int(ExitCode.NO_MINION)
    return 0


def _show_master(session: Session, form: str) -> int:
    """Show the master's public key, the fingerprints of the next ones, and of the site key."""
    with Client(session.root, on_notice=session.note) as client:
        status = client.status()
    key = status.public_key
    following = [fingerprint(bytes.fromhex(each)) for each in status.next_keys]
    site = fingerprint(bytes.fromhex(status.site_key)) if status.site_key else ""
    data = {"master_key": key, "fingerprint": fingerprint(bytes.fromhex(key))}
    if form != "text":
        write_document({**data, "next": following, "site": site or None}, form)
        return 0
    lines = [*data.items(), *(("next", each) for each in following), ("site", site or "none")]
    sys.stdout.write("".join(f"{name + ':':14}{text}\n" for name, text in lines))
    return 0


def _changing(action: KeyAction, text: str) -> click.Command:
    """Make one of the commands that change keys."""

    @click.argument("patterns", nargs=-1, metavar="[ID|GLOB|FINGERPRINT…]")
    @click.option("--all", "is_all", is_flag=True, help="All keys that this can be done to.")
    @click.option("-y", "--yes", "is_sure", is_flag=True, help="Do not ask.")
    @FORMAT
    def change(patterns: tuple[str, ...], is_all: bool, is_sure: bool, form: str) -> int:
        return _change(action, patterns, is_all=is_all, is_sure=is_sure, form=form)

    return click.command(action, help=text)(change)


command.add_command(
    _changing(
        "accept",
        "Accept keys: their minions are let in. The keys are shown with their fingerprints first; "
        "compare them with what the minion's log says.",
    )
)
command.add_command(
    _changing(
        "reject",
        "Reject keys: their sessions end at once. The minions go on asking, and can be accepted "
        "later without anybody at the host.",
    )
)
command.add_command(
    _changing(
        "delete",
        "Forget keys: their sessions end at once. A minion that asks again is new.",
    )
)


command.add_command(rotate_master)


def _change(
    action: KeyAction, patterns: tuple[str, ...], *, is_all: bool, is_sure: bool, form: str
) -> int:
    if is_all == bool(patterns):
        raise UsageError(f"keys {action}: give ids, globs or fingerprints, or --all")
    session = Session.current()
    is_broad = is_all or any(_is_glob(pattern) for pattern in patterns)
    may_ask = is_terminal(sys.stdin) and is_terminal(sys.stderr)
    if is_broad and not is_sure and not may_ask:
        raise UsageError(
            f"keys {action} with a glob or --all changes several keys at once: give --yes, or run "
            "it on a terminal"
        )
    with Client(session.root, on_notice=session.note) as client:
        found = client.change_keys(action, patterns, is_all=is_all, is_dry=True)
        if not found:
            what = "--all" if is_all else _shown(patterns)
            complain(f"no key to {action} matches {what} ({session.command('keys', 'list')})")
            if form != "text":
                write_document({"keys": []}, form)
            return int(ExitCode.NO_MINION)
        if may_ask and not is_sure:
            _show_before(action, found)
        changed = client.change_keys(action, sorted({key.fingerprint for key in found}))
    if form != "text":
        write_document({"keys": [_data(key) for key in changed]}, form)
        return 0
    for key in changed:
        fingerprint = escape_line(key.fingerprint)
        sys.stdout.write(f"{_DONE[action]} {escape_line(key.minion)}  {fingerprint}\n")
    return 0


def _show_before(action: KeyAction, keys: Sequence[KeyInfo]) -> None:
    """Show on stderr what would be changed, and let the person confirm it."""
    click.echo(f"The following keys would be {_DONE[action]}:", err=True)
    for key in keys:
        place = f"  from {key.address}" if key.address else ""
        click.echo(f"  {escape_line(f'{key.minion}  {key.fingerprint}{place}')}", err=True)
    if not click.confirm("Proceed?", default=False, err=True):
        raise UsageError(f"nothing was {_DONE[action]}")


def _print_keys(keys: Sequence[KeyInfo], palette: Palette) -> None:
    now_s = time.time()
    width = max((len(escape_line(key.minion)) for key in keys), default=0)
    for state, (head, color) in _HEADS.items():
        rows = [key for key in keys if key.state == state]
        if not rows and state == "conflict":
            continue
        sys.stdout.write(palette.paint(color, head) + "\n")
        for key in rows:
            name = palette.paint(color, escape_line(key.minion).ljust(width))
            place = f"  from {key.address}" if key.address else ""
            rest = f"{key.fingerprint}  since {local_text(key.since_s, now_s)}{place}"
            sys.stdout.write(f"  {name}  {escape_line(rest)}\n")


def _data(key: KeyInfo) -> dict[str, str | None]:
    return {
        "minion": key.minion,
        "state": key.state,
        "fingerprint": key.fingerprint,
        "since": iso_utc(key.since_s),
        "address": key.address,
        "token_id": key.token_id,
    }


def _is_glob(pattern: str) -> bool:
    return any(mark in pattern for mark in "*?[")


def _is_meant(key: KeyInfo, pattern: str) -> bool:
    if fnmatchcase(key.minion, pattern.lower()):
        return True
    return _digits(key.fingerprint) == _digits(pattern)


def _digits(fingerprint: str) -> str:
    return "".join(letter for letter in fingerprint.lower() if letter in "0123456789abcdef")


def _shown(patterns: Sequence[str]) -> str:
    return ", ".join(ascii(pattern[:60]) for pattern in patterns[:5])
