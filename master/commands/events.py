"""`limpet events`: follow what happens."""

import sys
from fnmatch import fnmatchcase

import click

from limpet.common.control.replies import Event
from limpet.common.terminal.escape import cut_line
from limpet.common.terminal.forms import json_text
from limpet.common.terminal.group import DURATION, format_option
from limpet.common.terminal.session import Session
from limpet.common.terminal.times import iso_utc
from limpet.master.client.client import Client


@click.command(
    epilog="""\b
Examples:
  limpet events
  limpet events 'minion/*'
  limpet events 'job/*/return/*' --format json --count 10"""
)
@click.argument("pattern", default="*", metavar="[GLOB]")
@click.option("--count", type=click.IntRange(1), metavar="N", help="End after so many.")
@click.option("--timeout", "timeout_s", type=DURATION, metavar="S", help="End after so long.")
@format_option("text", "json", text="A line of text, or a line of JSON, for each event.")
def command(pattern: str, count: int | None, timeout_s: float | None, form: str) -> int:
    """Follow events from now on whose tag matches GLOB, until Ctrl-C.

    Tags are paths: job/JID/new, job/JID/return/web1, minion/web1/ready, minion/web1/lost,
    key/web1/accepted, token/ID/used.
    """
    session = Session.current()
    shown = 0
    with Client(session.root, on_notice=session.note) as client:
        for event in client.events(timeout_s=timeout_s):
            if not fnmatchcase(event.tag, pattern):
                continue
            line = _line(event) if form == "text" else _json(event)
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
            shown += 1
            if shown == count:
                break
    return 0


def _line(event: Event) -> str:
    words = [f"{name}={cut_line(text)}" for name, text in sorted(event.data.items())]
    return " ".join([iso_utc(event.at_s) or "-", cut_line(event.tag), *words])


def _json(event: Event) -> str:
    data = {"tag": event.tag, "at": iso_utc(event.at_s), "data": event.data}
    return json_text(data, indent=None)
