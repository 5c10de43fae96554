"""`limpet call`: run a function on this host, through the running minion or without one."""

import sys
from typing import Any

import click

from limpet.common.errors import ExitCode, UsageError
from limpet.common.identifiers import FUNCTION_PATTERN
from limpet.common.terminal.arguments import encode_arguments, parse_arguments
from limpet.common.terminal.forms import json_text, txt_lines, yaml_text
from limpet.common.terminal.group import DURATION, format_option
from limpet.common.terminal.highstate import Look, shown_value
from limpet.common.terminal.session import Session, complain

NAME = "local"
"""What stands where `limpet run` has the name of the minion, as with Salt's masterless calls."""

EPILOG = """\b
Examples:
  limpet call --local test.ping
  limpet call --local cmd.run 'df -h | grep vda' cwd=/tmp
  limpet call --local grains.get os --format json
  limpet call grains.setval role web
  limpet call --local test.arg 5 '[a, b]' name='{x: 1}' -- --not-an-option"""


@click.command(name="call", epilog=EPILOG)
@click.argument("function", metavar="FUN")
@click.argument("words", metavar="[ARG… k=v…]", nargs=-1)
@click.option("--local", "is_local", is_flag=True, help="Without the minion and its master.")
@click.option(
    "--job-timeout",
    "job_timeout_s",
    type=DURATION,
    default=0.0,
    metavar="S",
    help="End the function after so long (not with --local).",
)
@format_option("text", "json", "yaml", text='Text, or {"local": RETURN}.')
@click.option(
    "--out",
    "bare",
    type=click.Choice(["json", "yaml", "txt"]),
    help="The same, by Salt's option.",
)
@click.option("--retcode-passthrough", is_flag=True, help="End with the function's own retcode.")
def command(
    function: str,
    words: tuple[str, ...],
    is_local: bool,
    job_timeout_s: float,
    form: str,
    bare: str | None,
    retcode_passthrough: bool,
) -> int:
    """Run the function FUN on this host and print what it returns.

    The running minion runs it as a job, which goes on if this command is ended; with --local it
    runs here and now, and needs neither minion nor master. ARGs are YAML, as in Salt.

    Ends with 1 if the function failed.
    """
    if not FUNCTION_PATTERN.match(function):
        raise UsageError(
            f"{function[:80]!a} is not the name of a function: module.function is expected, as in "
            "test.ping"
        )
    positional, keyword = parse_arguments(words)
    session = Session.current()
    if is_local:
        from limpet.states.local.call import call_local

        value, retcode = call_local(session.root, function, positional, keyword)
    else:
        value, retcode = _through_minion(session, function, positional, keyword, job_timeout_s)
    if value is not None or retcode == 0 or (bare or form) != "text":  # else: stderr said it all
        _show(value, bare or form, session, Look(is_of_states=function.startswith("state.")))
    if retcode == 0:
        return int(ExitCode.OK)
    return retcode & 0xFF or 1 if retcode_passthrough else int(ExitCode.FAILED)


def _show(value: Any, form: str, session: Session, look: Look) -> None:  # noqa: ANN401
    if form == "json":
        sys.stdout.write(json_text({NAME: value}) + "\n")
    elif form == "yaml":
        sys.stdout.write(yaml_text({NAME: value}))
    elif form == "txt":
        sys.stdout.writelines(f"{line}\n" for line in txt_lines(NAME, value))
    else:
        sys.stdout.write(session.palette.paint("cyan", f"{NAME}:") + "\n")
        shown = shown_value(NAME, value, session.palette, look=look)
        sys.stdout.writelines(f"{line}\n" for line in shown)


def _through_minion(
    session: Session,
    function: str,
    positional: list[Any],
    keyword: dict[str, Any],
    job_timeout_s: float,
) -> tuple[Any, int]:
    """Have the minion of this host run it as a job, and wait for its end."""
    from limpet.common.service.paths import Roots
    from limpet.minion.control.calls import call_minion

    ended = call_minion(
        Roots.locate("minion", session.root).socket_path,
        function,
        encode_arguments(positional, keyword),
        job_timeout_s,
    )
    if ended.error or ended.outcome != "ok":
        text = ended.error or f"{function} ended with retcode {ended.retcode}"
        if ended.outcome not in ("ok", "failed"):
            text = f"{ended.outcome}: {text}"
        complain(text)
    return ended.value, ended.retcode if ended.outcome == "ok" else ended.retcode or 1
