"""`limpet jobs`: list, show, wait for and cancel jobs."""

import sys
import time
from typing import Any

import click

from limpet.common.errors import UsageError
from limpet.common.terminal.group import format_option
from limpet.common.terminal.highstate import Form, Look
from limpet.common.terminal.session import Session
from limpet.common.terminal.table import table
from limpet.common.terminal.times import iso_utc, local_text
from limpet.master.client.client import Client
from limpet.master.commands.run import look_of, look_options, shown_options
from limpet.master.commands.shared.output import TextOutput, output_for, write_document
from limpet.master.commands.shared.watching import Watching
from limpet.master.commands.shared.wording import answer_data, counts_of, counts_text

FORMAT = format_option("text", "json", "yaml", text="Text, or a document for programs.")


@click.group(
    epilog="""\b
Examples:
  limpet jobs list
  limpet jobs wait 01JD3Z0VQ9…
  limpet jobs cancel 01JD3Z0VQ9… web1"""
)
def command() -> None:
    """List, show, wait for or cancel jobs."""


@command.command("list")
@click.option(
    "-n",
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="How many, the newest first.",
)
@click.option("--before", default="", metavar="JID", help="Only jobs older than this one.")
@FORMAT
def list_jobs(limit: int, before: str, form: str) -> int:
    """List the newest jobs."""
    session = Session.current()
    with Client(session.root, on_notice=session.note) as client:
        jobs = client.jobs(limit, before)
    if form != "text":
        rows = [
            {
                "jid": job.jid,
                "function": job.function,
                "target": job.target,
                "user": job.user,
                "created": iso_utc(job.created_s),
                "counts": job.counts,
            }
            for job in jobs
        ]
        write_document({"jobs": rows}, form)
        return 0
    now_s = time.time()
    shown = [
        (
            job.jid,
            local_text(job.created_s, now_s),
            job.user,
            job.function,
            job.target,
            counts_text(job.counts),
        )
        for job in jobs
    ]
    heads = ("JID", "CREATED", "USER", "FUNCTION", "TARGET", "MINIONS")
    for line in table(heads, shown, session.palette):
        sys.stdout.write(f"{line}\n")
    return 0


@command.command("show")
@click.argument("jid")
@FORMAT
@look_options
def show(jid: str, form: str, state_output: Form, is_state_verbose: bool) -> int:
    """Show what is known of the job JID now, without waiting.

    Ends with 0 whatever the job came to; `limpet jobs wait` ends as the job did.
    """
    session = Session.current()
    with Client(session.root, on_notice=session.note) as client:
        job = client.show(jid)
    created = iso_utc(job.created_s)
    if form != "text":
        data = {
            "jid": job.jid,
            "function": job.function,
            "target": job.target,
            "user": job.user,
            "created": created,
            "is_ended": job.is_ended,
            "minions": {name: answer_data(answer) for name, answer in job.minions.items()},
        }
        write_document(data, form)
        return 0
    counts = counts_text(counts_of(job.minions.values()))
    when = local_text(job.created_s, time.time())
    heads = ("JID", "CREATED", "USER", "FUNCTION", "TARGET", "MINIONS")
    row = (job.jid, when, job.user, job.function, job.target, counts)
    for line in table(heads, [row], session.palette):
        sys.stdout.write(f"{line}\n")
    look = look_of(job.function, state_output, is_state_verbose)
    output = TextOutput(session.palette, look)
    for answer in job.minions.values():
        output.on_answer(answer)
    sys.stdout.flush()
    return 0


@command.command("wait")
@click.argument("jid")
@click.option("--stream", "is_streamed", is_flag=True, help="Show output from now on.")
@shown_options
@look_options
def wait(
    jid: str,
    is_streamed: bool,
    form: str,
    bare: str | None,
    timeout_s: float | None,
    state_output: Form,
    is_state_verbose: bool,
) -> int:
    """Wait for the job JID and show it, as `limpet run` does; ends with its exit code."""
    session = Session.current()
    look = Look(state_output, is_state_verbose)
    watching = Watching(session, output_for(form, bare, session.palette, look))
    with watching.client() as client:
        return watching.follow(
            lambda: client.watch(jid, timeout_s=timeout_s, is_streamed=is_streamed), timeout_s
        )


@command.command("cancel")
@click.argument("jid")
@click.argument("minions", nargs=-1, metavar="[MINION…]")
@FORMAT
def cancel(jid: str, minions: tuple[str, ...], form: str) -> int:
    """Cancel the job JID on all its minions, or on those named.

    Comes back once the cancel is on disk: it reaches minions that are away now when they return.
    Processes are ended with all that they started.
    """
    session = Session.current()
    with Client(session.root, on_notice=session.note) as client:
        job = client.cancel(jid, [name.lower() for name in minions])
    unknown = sorted({name.lower() for name in minions}.difference(job.minions))
    if form != "text":
        data: dict[str, Any] = {
            "jid": job.jid,
            "minions": {name: answer_data(answer) for name, answer in job.minions.items()},
        }
        write_document(data, form)
    else:
        counts = counts_text(counts_of(job.minions.values()))
        if job.is_ended:
            sys.stdout.write(f"job {job.jid} has ended: {counts}\n")
        else:
            sys.stdout.write(f"job {job.jid} is being cancelled; now: {counts}\n")
            sys.stdout.write(f"see its end: {session.command('jobs', 'wait', job.jid)}\n")
    if unknown:
        raise UsageError(f"job {job.jid} is not for {', '.join(unknown)}")
    return 0
