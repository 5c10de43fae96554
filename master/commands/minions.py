"""`limpet minions`: who is there, since when, and what they are doing."""

import sys
import time

import click

from limpet.common.control.replies import MinionRow
from limpet.common.terminal.colors import Palette
from limpet.common.terminal.session import Session
from limpet.common.terminal.table import table
from limpet.common.terminal.times import duration_text, iso_utc, local_text
from limpet.master.client.client import Client
from limpet.master.client.errors import NoMinionMatched
from limpet.master.commands.jobs import FORMAT
from limpet.master.commands.shared.output import write_document
from limpet.master.commands.shared.target_options import kind_of, target_options


@click.command(
    epilog="""\b
Examples:
  limpet minions
  limpet minions -G os:Debian
  limpet minions --format json"""
)
@click.argument("target", default="*")
@FORMAT
@target_options
def command(target: str, form: str, **chosen: bool) -> int:
    """Show all accepted minions, or those that TARGET matches, and how they are.

    States: ready, syncing (greets), reconnecting (lost less than 15 s ago), offline, never seen.
    """
    session = Session.current()
    with Client(session.root, on_notice=session.note) as client:
        rows = client.minions(target, kind_of(chosen))
    if form != "text":
        write_document({"minions": {row.minion: _data(row) for row in rows}}, form)
    elif rows:
        _print(rows, session.palette)
    if rows:
        return 0
    if target != "*":
        raise NoMinionMatched(f"no minion matches {target[:80]!a}")
    session.note(f"no minion is accepted yet ({session.command('keys', 'list')})")
    return 0


def _print(rows: tuple[MinionRow, ...], palette: Palette) -> None:
    now_s = time.time()
    cells = [
        (
            row.minion,
            row.state,
            _since(row, now_s),
            row.version,
            row.address,
            _running(row),
            "; ".join(word for word in (row.condition, _loss(row), row.left_behind) if word),
        )
        for row in rows
    ]
    heads = ("MINION", "STATE", "SINCE", "VERSION", "ADDRESS", "RUNNING", "REMARKS")
    for line in table(heads, cells, palette):
        sys.stdout.write(f"{line}\n")


def _since(row: MinionRow, now_s: float) -> str:
    if row.since_s <= 0:
        return ""
    return f"{local_text(row.since_s, now_s)} ({duration_text(now_s - row.since_s)})"


def _running(row: MinionRow) -> str:
    if len(row.running) > 1:
        return f"{row.running[0]} +{len(row.running) - 1}"
    return row.running[0] if row.running else ""


def _loss(row: MinionRow) -> str:
    return f"last loss: {row.last_loss}" if row.last_loss and row.state != "ready" else ""


def _data(row: MinionRow) -> dict[str, object]:
    return {
        "state": row.state,
        "since": iso_utc(row.since_s),
        "version": row.version,
        "address": row.address,
        "running": list(row.running),
        "condition": row.condition or None,
        "last_loss": row.last_loss or None,
        "knows_next_keys": not row.left_behind,
    }
