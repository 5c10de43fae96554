"""`limpet run`: run a function on minions and show what comes back."""

import re
import sys
from typing import Any

import click

from limpet.common.errors import UsageError
from limpet.common.terminal.arguments import parse_arguments
from limpet.common.terminal.group import DURATION, format_option
from limpet.common.terminal.highstate import FORMS, Form, Look
from limpet.common.terminal.session import Session
from limpet.master.client.results import JobResult
from limpet.master.commands.shared.function_check import check_call
from limpet.master.commands.shared.output import output_for, write_document
from limpet.master.commands.shared.target_options import kind_of, target_options
from limpet.master.commands.shared.watching import Watching
from limpet.master.commands.shared.wording import job_data

EPILOG = """\b
Examples:
  limpet run '*' test.ping
  limpet run -G os:Ubuntu cmd.run 'apt-get update' --timeout 5m
  limpet run -C 'web* and not G@env:test' cmd.run 'systemctl reload nginx' --batch 20%
  limpet run web1 cmd.run 'make world' --stream --job-timeout 2h
  limpet run 'db*' cmd.run backup.sh --ttl 1d --async
  limpet run web1 test.arg 5 '[a, b]' name='{x: 1}' -- --not-an-option
  limpet run '*' test.ping --format json"""


def shown_options(command: Any) -> Any:  # noqa: ANN401 - a decorator of click's
    """Add `--format`, `--out` and `--timeout`."""
    for option in (
        click.option(
            "-t",
            "--timeout",
            "timeout_s",
            type=DURATION,
            metavar="S",
            help="How long to wait here; the job goes on. Default: until each minion has a final "
            "status (those known to be offline have it at once).",
        ),
        click.option(
            "--out",
            "bare",
            type=click.Choice(["json", "yaml", "txt"]),
            help="Salt's bare output: {minion: return}.",
        ),
        format_option(
            "text",
            "json",
            "yaml",
            text="Text as answers come, or the job with statuses at the end.",
        ),
        click.option("--static", is_flag=True, hidden=True, expose_value=False),
    ):
        command = option(command)
    return command


def look_options(command: Any) -> Any:  # noqa: ANN401 - a decorator of click's
    """Add how results of states are shown; `look_of` reads it from the command's arguments."""
    for option in (
        click.option(
            "--state-verbose/--no-state-verbose",
            "is_state_verbose",
            default=True,
            help="Show states that are as they should be, too, or leave them out.",
        ),
        click.option(
            "--state-output",
            "state_output",
            type=click.Choice(FORMS),
            default="full",
            show_default=True,
            metavar="FORM",
            help="How results of states are shown: full, changes, terse, mixed, filter; with _id "
            "(terse_id …) by their ids.",
        ),
    ):
        command = option(command)
    return command


def look_of(function: str, state_output: Form, is_state_verbose: bool) -> Look:
    """Give how the results of a function are to be shown."""
    return Look(state_output, is_state_verbose, function.startswith("state."))


def sent_options(command: Any) -> Any:  # noqa: ANN401 - a decorator of click's
    """Add what a new job can be told."""
    for option in (
        click.option(
            "-b",
            "--batch",
            "--batch-size",
            default="",
            metavar="N|N%",
            help="At most so many minions at once.",
        ),
        click.option(
            "--stream", "is_streamed", is_flag=True, help="Show output while the function runs."
        ),
        click.option(
            "--async", "is_async", is_flag=True, help="Print the job's id and do not wait."
        ),
        click.option(
            "--job-timeout",
            "job_timeout_s",
            type=DURATION,
            default=0.0,
            metavar="S",
            help="End the function itself after so long (default: the minion's, 24 h).",
        ),
        click.option(
            "--ttl",
            "ttl_s",
            type=DURATION,
            metavar="S",
            help="Keep the job so long for minions that are offline now.",
        ),
    ):
        command = option(command)
    return command


@click.command(epilog=EPILOG)
@click.argument("target", metavar="TARGET")
@click.argument("function", metavar="FUN")
@click.argument("words", metavar="[ARG… k=v…]", nargs=-1)
@sent_options
@shown_options
@look_options
@target_options
def command(target: str, function: str, words: tuple[str, ...], **options: Any) -> int:  # noqa: ANN401
    """Run the function FUN on all minions that TARGET matches.

    ARGs are YAML, as in Salt: 5 is a number, [a, b] a list, name=value a keyword argument. TARGET
    is a glob over minion ids unless an option says how else it is meant. What begins with a dash
    and is an ARG stands after `--`.

    All minions are waited for; those known to be offline are named at once. After Ctrl-C the job
    goes on, and `limpet jobs wait JID` shows the rest.
    """
    positional, keyword = parse_arguments(words)
    warning = check_call(function, positional, keyword)
    session = Session.current()
    if warning:
        session.note(f"warning: {warning}")
    return send(session, target, function, positional, keyword, **options)


def send(
    session: Session,
    target: str,
    function: str,
    positional: list[Any],
    keyword: dict[str, Any],
    *,
    form: str,
    bare: str | None,
    timeout_s: float | None,
    ttl_s: float | None,
    job_timeout_s: float,
    batch: str,
    is_async: bool,
    is_streamed: bool,
    state_output: Form = "full",
    is_state_verbose: bool = True,
    is_viewed: bool = False,
    **chosen: bool,
) -> int:
    """Send a job and show it, or with `is_async` print its id; gives the exit code.

    With `is_viewed` a person at a terminal sees how far runs of states are, though no output was
    asked for.
    """
    kind = kind_of(chosen)
    check_batch(batch)
    look = look_of(function, state_output, is_state_verbose)
    output = output_for(form, bare, session.palette, look)
    watching = Watching(session, output, is_output_shown=is_streamed)
    is_streamed = is_streamed or (is_viewed and watching.is_at_terminal)
    asked: dict[str, Any] = {
        "keywords": keyword,
        "kind": kind,
        "ttl_s": ttl_s,
        "job_timeout_s": job_timeout_s,
        "batch": batch,
    }
    client = watching.client()
    if is_async:
        stored = client.submit(target, function, *positional, **asked)
        client.close()
        _show_id(stored, form)
        return 0
    with client:
        return watching.follow(
            lambda: client.start(
                target,
                function,
                *positional,
                **asked,
                timeout_s=timeout_s,
                is_streamed=is_streamed,
            ),
            timeout_s,
            _spelled_out(target) if kind == "list" else None,
        )


def _show_id(stored: JobResult, form: str) -> None:
    """Print the id of a job that nobody waits for, or the job as a document."""
    if form == "text":
        sys.stdout.write(f"{stored.jid}\n")
    else:
        write_document(job_data(stored), form)


def _spelled_out(target: str) -> frozenset[str]:
    """Give the ids that a list names."""
    return frozenset(re.split(r"[,\s]+", target.lower())) - {""}


def check_batch(text: str) -> None:
    """Check `N` or `N%`. Raises `UsageError`."""
    found = re.fullmatch(r"([0-9]{1,7})(%?)", text)
    if text and (found is None or not 1 <= int(found[1]) <= (100 if found[2] else 10_000_000)):
        raise UsageError(f"--batch {text[:20]!a}: a number of minions or a percentage is expected")
