"""`limpet apply`: apply states on minions."""

from typing import Any

import click

from limpet.common.errors import UsageError
from limpet.common.terminal.session import Session
from limpet.master.commands.run import send, sent_options, shown_options
from limpet.master.commands.targets import target_options

EPILOG = """\b
Examples:
  limpet apply 'web*'                      the highstate, as the top file says
  limpet apply 'web*' nginx users          these two
  limpet apply --test web1 nginx           only say what would change
  limpet apply --pillar '{"version": "2.1"}' web1 deploy"""


@click.command(epilog=EPILOG)
@click.argument("words", metavar="TARGET [SLS…]", nargs=-1)
@click.option("--test", "is_test", is_flag=True, help="Change nothing; say what would change.")
@click.option("--pillar", metavar="JSON", help="Pillar for this run, as JSON or YAML.")
@click.option("--local", "is_local", is_flag=True, help="On this host, without a master.")
@sent_options
@shown_options
@target_options
def command(
    words: tuple[str, ...],
    is_test: bool,
    pillar: str | None,
    is_local: bool,
    **options: Any,  # noqa: ANN401
) -> int:
    """Apply the named SLS, or the highstate, on all minions that TARGET matches.

    The state engine is not part of this release: minions of this release refuse `state.apply`, and
    `--local` can't work yet.
    """
    if is_local:
        raise UsageError(
            "apply --local needs the state engine, which is not part of this release; "
            "limpet call --local FUN runs single functions"
        )
    if not words:
        raise UsageError("a TARGET is expected: limpet apply TARGET [SLS…]")
    target, *sls = words
    keyword: dict[str, Any] = {}
    if is_test:
        keyword["test"] = True
    if pillar is not None:
        keyword["pillar"] = parse_pillar(pillar)
    positional = [",".join(sls)] if sls else []
    session = Session.current()
    session.note("the state engine is not part of this release: its minions refuse state.apply")
    return send(session, target, "state.apply", positional, keyword, **options)


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
