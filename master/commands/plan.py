"""`limpet plan`: what states would run, in which order and why. Nothing is run."""

import sys
import time
from collections.abc import Iterator, Mapping
from typing import Any, Final

import click

from limpet.common.errors import ExitCode, UsageError
from limpet.common.terminal.colors import Palette
from limpet.common.terminal.escape import cut_line, escape_line
from limpet.common.terminal.group import DURATION, format_option
from limpet.common.terminal.session import Session
from limpet.master.client.results import JobOutput, JobResult, MinionAnswer
from limpet.master.commands.apply import parse_pillar
from limpet.master.commands.shared.output import AllAtOnce, Output, write_document
from limpet.master.commands.shared.progress import Progress
from limpet.master.commands.shared.target_options import kind_of, target_options
from limpet.master.commands.shared.watching import Watching
from limpet.master.commands.shared.wording import answer_lines

FUNCTION: Final = "state.plan"
_HERE: Final = "local"
_CONDITION_CHARACTERS: Final = 100

EPILOG = """\b
Examples:
  limpet plan 'web*'                       the highstate of each
  limpet plan web1 nginx users             these two SLS
  limpet plan --local                      of this host, without a master
  limpet plan web1 --pillar '{"version": "2.1"}' deploy
  limpet plan web1 --format json           the graph as data
  limpet plan web1 --format dot | dot -Tsvg > plan.svg"""


@click.command(epilog=EPILOG)
@click.argument("words", metavar="TARGET [SLS…]", nargs=-1)
@click.option("--pillar", metavar="JSON", help="Pillar laid over the minion's, as JSON or YAML.")
@click.option("--saltenv", metavar="ENV", help="Take states from this environment.")
@click.option("--pillarenv", metavar="ENV", help="Take pillar from this environment.")
@click.option("--local", "is_local", is_flag=True, help="On this host, without a master.")
@click.option(
    "-t",
    "--timeout",
    "timeout_s",
    type=DURATION,
    metavar="S",
    help="How long to wait here. Default: until each minion has a final status.",
)
@format_option("text", "json", "yaml", "dot", text="Text, the data, or a graph for Graphviz.")
@target_options
def command(
    words: tuple[str, ...],
    pillar: str | None,
    saltenv: str | None,
    pillarenv: str | None,
    is_local: bool,
    timeout_s: float | None,
    form: str,
    **chosen: bool,
) -> int:
    """Show what would run on all minions that TARGET matches, in which order, and why.

    Without SLS it is the highstate, as the top file says. With --local there is no TARGET. The
    states are compiled where they would run, so that templates see that host; nothing is run, and
    what is odd in them is told as by `limpet lint`.

    Ends with 1 where the states do not compile.
    """
    session = Session.current()
    keyword: dict[str, Any] = {
        name: value for name, value in (("saltenv", saltenv), ("pillarenv", pillarenv)) if value
    }
    if pillar is not None:
        keyword["pillar"] = parse_pillar(pillar)
    if not is_local and not words:
        raise UsageError("a TARGET is expected: limpet plan TARGET [SLS…], or limpet plan --local")
    sls = words if is_local else words[1:]
    positional: list[Any] = [",".join(sls)] if sls else []
    if is_local:
        return _plan_here(session, positional, keyword, form)
    output: Output = _PlanOutput(session.palette, form)
    if form in ("json", "yaml"):
        output = AllAtOnce(form, is_bare=False)
    watching = Watching(session, output)
    with watching.client() as client:
        return watching.follow(
            lambda: client.start(
                words[0],
                FUNCTION,
                *positional,
                keywords=keyword,
                kind=kind_of(chosen),
                timeout_s=timeout_s,
            ),
            timeout_s,
            None,
        )


def _plan_here(
    session: Session, positional: list[Any], keyword: Mapping[str, Any], form: str
) -> int:
    from limpet.states.local.call import call_local

    value, retcode = call_local(session.root, FUNCTION, positional, keyword)
    if form in ("json", "yaml"):
        write_document({_HERE: value}, form)
    else:
        sys.stdout.writelines(f"{line}\n" for line in shown(_HERE, value, session.palette, form))
    return int(ExitCode.FAILED if retcode else ExitCode.OK)


class _PlanOutput:
    """Shows each minion's plan as it comes."""

    def __init__(self, palette: Palette, form: str) -> None:
        self._palette = palette
        self._form = form

    def on_answer(self, answer: MinionAnswer) -> None:
        """Show a plan, or why there is none."""
        if isinstance(answer.value, Mapping) and "chunks" in answer.value:
            lines = shown(answer.minion, answer.value, self._palette, self._form)
        else:
            lines = answer_lines(answer, self._palette, time.time())
        sys.stdout.writelines(f"{line}\n" for line in lines)
        sys.stdout.flush()

    def on_output(self, output: JobOutput) -> None:
        """Drop it: a plan has no output of its own."""

    def on_progress(self, minion: str, progress: Progress) -> None:
        """Drop it: nothing is run."""

    def on_end(self, result: JobResult | None) -> None:
        """Show the minions that have no answer yet."""
        for answer in () if result is None else result.minions.values():
            if not answer.is_final:
                self.on_answer(answer)


def shown(name: str, plan: Any, palette: Palette, form: str) -> Iterator[str]:  # noqa: ANN401
    """Give the lines of a plan, as text or for Graphviz."""
    if form == "dot":
        from limpet.states.lint.plan import dot_of

        yield from dot_of(plan, name).splitlines()
        return
    errors, chunks = plan.get("errors") or [], plan.get("chunks") or []
    yield palette.paint("red" if errors else "cyan", f"{cut_line(name)}:")
    for error in errors:
        for number, line in enumerate(str(error).splitlines()):
            head = "    - " if number == 0 else "      "
            yield palette.paint("red", head + cut_line(line))
    for chunk in chunks:
        yield from _chunk_lines(chunk, palette)
    for finding in plan.get("findings") or ():
        yield from _finding_lines(finding, palette)
    if not errors:
        yield f"  {len(chunks)} states would run"


def _chunk_lines(chunk: Mapping[str, Any], palette: Palette) -> Iterator[str]:
    place = ":".join(str(each) for each in (chunk["file"], chunk["line"]) if each is not None)
    parallel = palette.paint("yellow", " (parallel)") if chunk["parallel"] else ""
    yield (
        f"{chunk['position']:>5}. {palette.paint('green', escape_line(str(chunk['function'])))}: "
        f"{cut_line(str(chunk['name']), 400)}{parallel}"
    )
    if chunk["id"] != chunk["name"]:
        yield f"       id: {cut_line(str(chunk['id']), 400)}"
    yield palette.paint("dim", f"       {chunk['sls']} ({escape_line(place)})")
    yield f"       {escape_line('; '.join(chunk['why']))}"
    for kind, value in chunk["conditions"].items():
        text = str(value)
        if len(text) > _CONDITION_CHARACTERS:
            text = f"{text[:_CONDITION_CHARACTERS]}…"
        yield f"       {kind}: {escape_line(text)}"
    for kind in ("listen", "listen_in"):
        for tag in chunk["requisites"].get(kind, ()):
            yield f"       {kind}: {escape_line(tag.replace('_|-', ' '))}"


def _finding_lines(finding: Mapping[str, Any], palette: Palette) -> Iterator[str]:
    place = ":".join(
        str(each) for each in (finding["file"], finding["line"], finding["column"]) if each
    )
    color = "red" if finding["severity"] == "error" else "yellow"
    hint = f" — {finding['hint']}" if finding["hint"] else ""
    yield (
        f"  {escape_line(place)}: {palette.paint(color, finding['severity'])}: "
        f"{escape_line(finding['message'] + hint)} [{finding['rule']}]"
    )
