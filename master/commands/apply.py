"""`limpet apply`: apply states on minions, or go on with a run that was cut off."""

import re
from collections.abc import Sequence
from typing import Any, Final

import click

from limpet.common.errors import ExitCode, UsageError
from limpet.common.identifiers import job_id
from limpet.common.terminal.arguments import parse_arguments
from limpet.common.terminal.session import Session, complain
from limpet.master.client.client import Client
from limpet.master.client.job_calls import TARGET_BYTES_MAX
from limpet.master.commands.run import look_of, look_options, send, sent_options, shown_options
from limpet.master.commands.shared.target_options import kind_of, target_options
from limpet.master.commands.shared.wording import names_text

RESUMABLE: Final = frozenset(("interrupted", "failed", "cancelled", "lost"))
"""Statuses of runs that can be gone on with."""

_KEYWORD: Final = re.compile(r"[a-z_][a-z0-9_]*=")

EPILOG = """\b
Examples:
  limpet apply 'web*'                      the highstate, as the top file says
  limpet apply 'web*' nginx users          these two
  limpet apply --test web1 nginx           only say what would change
  limpet apply --pillar '{"version": "2.1"}' web1 deploy
  limpet apply --state-output changes '*'
  limpet apply --resume 01JD3Z0VQ9…        where that job was interrupted, or failed
  limpet apply --local --test nginx        on this host, without a master"""


@click.command(epilog=EPILOG)
@click.argument("words", metavar="TARGET [SLS…] [k=v…]", nargs=-1)
@click.option("--test", "is_test", is_flag=True, help="Change nothing; say what would change.")
@click.option("--pillar", metavar="JSON", help="Pillar for this run, as JSON or YAML.")
@click.option("--saltenv", metavar="ENV", help="Only this environment of the file roots.")
@click.option("--pillarenv", metavar="ENV", help="Only this environment of the pillar roots.")
@click.option("--exclude", metavar="SLS[,…]", help="Leave these SLS (or YAML: [{id: x}]) out.")
@click.option("--resume", metavar="JID", help="Go on with the runs of that job that were cut off.")
@click.option("--local", "is_local", is_flag=True, help="On this host, without a master.")
@sent_options
@shown_options
@look_options
@target_options
def command(
    words: tuple[str, ...],
    is_test: bool,
    pillar: str | None,
    saltenv: str | None,
    pillarenv: str | None,
    exclude: str | None,
    resume: str | None,
    is_local: bool,
    **options: Any,  # noqa: ANN401
) -> int:
    """Apply the named SLS, or the highstate, on all minions that TARGET matches.

    With --local there is no TARGET: the states of this host's own `file_roots` are applied here and
    now, with its `pillar_roots`. Ends with 1 if a state failed.

    With --resume the runs of an earlier job go on that were interrupted, failed, cancelled or lost,
    on all its minions or on those of TARGET: with the same names and options, and without running
    again what had ended well.
    """
    session = Session.current()
    chosen = {
        "test": True if is_test else None,
        "pillar": None if pillar is None else parse_pillar(pillar),
        "saltenv": saltenv,
        "pillarenv": pillarenv,
        "exclude": _parse_exclude(exclude),
    }
    told = {name: value for name, value in chosen.items() if value is not None}
    if resume is not None:
        if told or len(words) > (0 if is_local else 1):
            raise UsageError("--resume takes names and options of the earlier run: leave them out")
        if is_local:
            return _apply_here(session, "state.resume", [job_id(resume)], {}, options)
        return _resume(session, job_id(resume), words, options)
    if is_local:
        return _apply_here(session, "state.apply", *_arguments(words, told), options)
    if not words:
        raise UsageError("a TARGET is expected: limpet apply TARGET [SLS…]")
    target, *sls = words
    positional, keyword = _arguments(sls, told)
    return send(session, target, "state.apply", positional, keyword, is_viewed=True, **options)


def _arguments(words: Sequence[str], told: dict[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """Give what `state.apply` is called with; options win over words of the form `k=v`."""
    sls = [word for word in words if not _KEYWORD.match(word)]
    _, keyword = parse_arguments([word for word in words if _KEYWORD.match(word)])
    return [",".join(sls)] if sls else [], {**keyword, **told}


def _resume(session: Session, jid: str, words: tuple[str, ...], options: dict[str, Any]) -> int:
    """Have the minions of a job go on whose runs were cut off."""
    chosen = {name: options.pop(name) for name in list(options) if name.startswith("by_")}
    kind = kind_of(chosen)
    with Client(session.root, on_notice=session.note) as client:
        job = client.show(jid)
        matched = {each.minion for each in client.minions(words[0], kind)} if words else None
    if not job.function.startswith("state."):
        raise UsageError(f"job {jid} was {job.function}: only runs of states can be resumed")
    asked = {name: each for name, each in job.minions.items() if matched is None or name in matched}
    names = sorted(name for name, each in asked.items() if each.status in RESUMABLE)
    still = sorted(name for name, each in asked.items() if not each.is_final)
    if still:
        complain(f"job {jid} still goes on: {names_text(still)}")
    if not names:
        where = "there" if words else "on any minion"
        complain(f"nothing to resume: the run of job {jid} was not cut off {where}, nor failed")
        return int(ExitCode.NO_RESULT if still else ExitCode.OK)
    target = ",".join(names)
    if len(target) > TARGET_BYTES_MAX:
        raise UsageError(f"{len(names)} minions are too many for one command: name a TARGET")
    return send(session, target, "state.resume", [jid], {}, is_viewed=True, by_list=True, **options)


def _apply_here(
    session: Session,
    function: str,
    positional: list[Any],
    keyword: dict[str, Any],
    options: dict[str, Any],
) -> int:
    """Apply states on this host without a master, and show what came of them."""
    from limpet.master.commands.shared.local_apply import apply_here

    return apply_here(
        session,
        function,
        positional,
        keyword,
        form=options["bare"] or options["form"],
        look=look_of(function, options["state_output"], options["is_state_verbose"]),
        is_streamed=options["is_streamed"],
    )


def _parse_exclude(text: str | None) -> Any:  # noqa: ANN401
    """Read `--exclude`: names with commas, or a list in YAML."""
    if text is None or not text.lstrip().startswith("["):
        return text
    from limpet.common.terminal.arguments import parse_value

    return parse_value(text)


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
