"""`limpet apply`: apply states on minions."""

import sys
from collections.abc import Mapping, Sequence
from typing import Any, Final

import click

from limpet.common.errors import ExitCode, UsageError
from limpet.common.terminal.forms import json_text, txt_lines, yaml_text
from limpet.common.terminal.highstate import FORMS, Form, shown_value
from limpet.common.terminal.session import Session
from limpet.master.commands.run import send, sent_options, shown_options
from limpet.master.commands.targets import target_options

_HERE: Final = "local"

EPILOG = """\b
Examples:
  limpet apply 'web*'                      the highstate, as the top file says
  limpet apply 'web*' nginx users          these two
  limpet apply --test web1 nginx           only say what would change
  limpet apply --pillar '{"version": "2.1"}' web1 deploy
  limpet apply --local --test nginx        on this host, without a master"""


@click.command(epilog=EPILOG)
@click.argument("words", metavar="TARGET [SLS…]", nargs=-1)
@click.option("--test", "is_test", is_flag=True, help="Change nothing; say what would change.")
@click.option("--pillar", metavar="JSON", help="Pillar for this run, as JSON or YAML.")
@click.option("--local", "is_local", is_flag=True, help="On this host, without a master.")
@click.option(
    "--state-output",
    type=click.Choice(FORMS),
    default="full",
    show_default=True,
    help="How much of each state is shown with --local.",
)
@sent_options
@shown_options
@target_options
def command(
    words: tuple[str, ...],
    is_test: bool,
    pillar: str | None,
    is_local: bool,
    state_output: Form,
    **options: Any,  # noqa: ANN401
) -> int:
    """Apply the named SLS, or the highstate, on all minions that TARGET matches.

    With --local there is no TARGET: the states of this host's own `file_roots` are applied here and
    now, with its `pillar_roots`. Ends with 1 if a state failed.
    """
    if is_local:
        return _apply_here(words, is_test, pillar, state_output, options)
    if not words:
        raise UsageError("a TARGET is expected: limpet apply TARGET [SLS…]")
    target, *sls = words
    positional, keyword = _arguments(sls, is_test, pillar)
    return send(Session.current(), target, "state.apply", positional, keyword, **options)


def _arguments(
    sls: Sequence[str], is_test: bool, pillar: str | None
) -> tuple[list[Any], dict[str, Any]]:
    """Give what `state.apply` is called with."""
    keyword: dict[str, Any] = {}
    if is_test:
        keyword["test"] = True
    if pillar is not None:
        keyword["pillar"] = parse_pillar(pillar)
    return [",".join(sls)] if sls else [], keyword


def _apply_here(
    sls: Sequence[str],
    is_test: bool,
    pillar: str | None,
    state_output: Form,
    options: Mapping[str, Any],
) -> int:
    """Apply states on this host without a master, and show what came of them."""
    from limpet.states.local import call_local

    session = Session.current()
    positional, keyword = _arguments(sls, is_test, pillar)
    value, retcode = call_local(session.root, "state.apply", positional, keyword)
    form = options["bare"] or options["form"]
    if form == "json":
        sys.stdout.write(json_text({_HERE: value}) + "\n")
    elif form == "yaml":
        sys.stdout.write(yaml_text({_HERE: value}))
    elif form == "txt":
        sys.stdout.writelines(f"{line}\n" for line in txt_lines(_HERE, value))
    else:
        sys.stdout.write(session.palette.paint("cyan", f"{_HERE}:") + "\n")
        shown = shown_value(_HERE, value, session.palette, form=state_output)
        sys.stdout.writelines(f"{line}\n" for line in shown)
    return int(ExitCode.FAILED if retcode else ExitCode.OK)


def parse_pillar(text: str) -> dict[str, Any]:
    """Read a mapping. Raises `UsageError` that says where it breaks."""
    import json

    try:
        value = json.loads(text)
    except (json.JSONDecodeError, RecursionError):
        from limpet.common.terminal.arguments import parse_value

        value = parse_value(text)
    if not isinstance(value, dict):
        raise UsageError(
            f"--pillar {text[:40]!a}: a mapping in JSON is expected, as in '{{\"a\": 1}}'"
        )
    return value
