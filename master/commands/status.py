"""`limpet status`: how the master is."""

import sys
import time

import click

from limpet.common.terminal.session import Session
from limpet.common.terminal.times import iso_utc
from limpet.master.client.client import Client
from limpet.master.commands.jobs import FORMAT
from limpet.master.commands.shared.output import write_document
from limpet.master.commands.shared.status_text import status_lines


@click.command(
    epilog="""\b
Examples:
  limpet status
  limpet status --format json"""
)
@FORMAT
def command(form: str) -> int:
    """Show how the master is, and what needs a person.

    Is it well, how many minions are ready or away, which keys wait, what jobs are under way,
    disk and memory against their limits. With --format json or yaml: all figures there are.
    """
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
    lines = status_lines(status, time.time(), session.palette, session.command)
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    return 0
