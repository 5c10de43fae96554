"""`limpet status`: how the master is."""

import sys
import time

import click

from limpet.common.terminal.escape import escape_line
from limpet.common.terminal.session import Session
from limpet.common.terminal.times import iso_utc, since_text
from limpet.master.client.client import Client
from limpet.master.commands.jobs import FORMAT
from limpet.master.commands.shared.output import write_document


@click.command(
    epilog="""\b
Examples:
  limpet status
  limpet status --format json"""
)
@FORMAT
def command(form: str) -> int:
    """Show how the master is: version, minions, figures, what it turned away, problems."""
    session = Session.current()
    with Client(session.root, on_notice=session.note) as client:
        status = client.status()
    if form != "text":
        data = {
            "version": status.version,
            "since": iso_utc(status.since_s),
            "store_id": status.store_id,
            "store_commit": status.store_commit,
            "fleet": status.fleet,
            "ready": status.ready,
            "figures": status.figures,
            "rejected": status.rejected,
            "problems": list(status.problems),
        }
        write_document(data, form)
        return 0
    palette = session.palette
    write = sys.stdout.write
    write(f"master {escape_line(status.version)}, up {since_text(status.since_s, time.time())}\n")
    color = "green" if status.ready == status.fleet else "yellow"
    write(palette.paint(color, f"{status.ready} of {status.fleet} minions are ready") + "\n")
    write(f"store {escape_line(status.store_id)}, commit {status.store_commit}\n")
    for name, figure in sorted(status.figures.items()):
        write(f"  {escape_line(name)}: {figure:g}\n")
    refused = {name: number for name, number in status.rejected.items() if number}
    if refused:
        write("turned away:\n")
    for name, number in sorted(refused.items()):
        write(f"  {escape_line(name)}: {number}\n")
    for problem in status.problems:
        write(palette.paint("red", f"problem: {escape_line(problem)}") + "\n")
    return 0
