"""`limpet swarm`: many minions against a real master, to see what it carries."""

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from limpet.common.errors import ExitCode, UsageError
from limpet.common.terminal.group import DURATION, format_option
from limpet.common.terminal.session import Session

if TYPE_CHECKING:
    from limpet.minion.swarm.running import Outcome

EPILOG: Final = """\b
Examples:
  limpet swarm 1000 --master 192.0.2.1 --join limpet-join-1.… --state ~/swarm
  limpet swarm 1000 --master 192.0.2.1 --state ~/swarm --for 10m --format json
  limpet swarm 200 --master 192.0.2.1 --join - --delay 0.1..2 --return-bytes 1M

\b
Exit codes:
  0  all minions were ready at the end
  1  a process of the swarm died
  2  usage, or a file that is wrong
  4  some minions were not ready at the end
  5  none was"""

FAILURE_RATE: Final = click.FloatRange(0.0, 1.0)


class _Range(click.ParamType):  # type: ignore[type-arg]
    """One number or two with `..` between them."""

    def __init__(self, name: str) -> None:
        self.name = name

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> Any:  # noqa: ANN401
        """Turn the text into both ends."""
        from limpet.minion.swarm.minions.behaviour import parse_bytes_range, parse_seconds_range

        if not isinstance(value, str):
            return value
        try:
            return (parse_bytes_range if self.name == "bytes" else parse_seconds_range)(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


@click.command(name="swarm", epilog=EPILOG)
@click.argument("number", metavar="N", type=click.IntRange(1, 100_000))
@click.option("--master", metavar="HOST[:PORT]", required=True, help="Where the master is.")
@click.option(
    "--enrol-port", type=click.IntRange(1, 65535), help="Its port for new minions [PORT - 1]."
)
@click.option("--join", metavar="STRING|-", help="What `limpet token create` printed; -: on stdin.")
@click.option("--for", "lasting_s", type=DURATION, help="End after so long [until Ctrl-C].")
@format_option("text", "json", text="Lines, or a document at the end.")  # fmt: skip
@click.option(
    "--processes", type=click.IntRange(1, 256), help="Processes [one for each 2,500 minions]."
)
@click.option(
    "--grains", "grains_path", metavar="TEMPLATE.yaml",
    type=click.Path(path_type=Path, dir_okay=False), help="What the grains are drawn from.",
)  # fmt: skip
@click.option(
    "--delay", type=_Range("seconds"), default="0", show_default=True,
    help="How long a job takes: seconds, or S..S.",
)  # fmt: skip
@click.option(
    "--return-bytes", type=_Range("bytes"), default="100", show_default=True,
    help="How much it returns: bytes (k, M), or N..N.",
)  # fmt: skip
@click.option(
    "--failure-rate", type=FAILURE_RATE, default=0.0, show_default=True,
    help="Which part of all jobs fails, 0 to 1.",
)  # fmt: skip
@click.option(
    "--seed", type=click.IntRange(0, 2**53), default=1, show_default=True,
    help="What jobs and grains are drawn by.",
)  # fmt: skip
@click.option(
    "--state", "directory", metavar="DIR", type=click.Path(path_type=Path, file_okay=False),
    help="Keep the keys here for the next run [they are not kept].",
)  # fmt: skip
@click.option(
    "--id-prefix", "prefix", default="swarm-", show_default=True, help="What all ids begin with."
)
@click.option(
    "--joins", "joins_a_second", metavar="N", type=click.FloatRange(0.1, 10_000.0), default=300.0,
    show_default=True, help="New minions that begin in a second.",
)  # fmt: skip
def command(
    number: int,
    master: str,
    enrol_port: int | None,
    join: str | None,
    lasting_s: float | None,
    form: str,
    processes: int | None,
    grains_path: Path | None,
    delay: tuple[float, float],
    return_bytes: tuple[int, int],
    failure_rate: float,
    seed: int,
    directory: Path | None,
    prefix: str,
    joins_a_second: float,
) -> int:
    """Run N minions in a few processes against a real master, to see what it carries.

    Their links and sockets are those of real minions; jobs end after a while with a text, and do
    nothing. Ctrl-C (or SIGTERM) ends it with a summary. docs/swarm.md has the rest.
    """
    from limpet.common.settings.addresses import host_port
    from limpet.minion.core.settings import MAIN_PORT
    from limpet.minion.swarm.minions.behaviour import Behaviour
    from limpet.minion.swarm.running import Wanted, run

    session = Session.current()
    place = host_port(master)
    port = place.port or MAIN_PORT
    if enrol_port is None and port == 1:
        raise UsageError("port 1 leaves no port below it for new minions: give `--enrol-port`")
    wanted = Wanted(
        number=number,
        host=place.host,
        port=port,
        enrol_port=enrol_port or port - 1,
        join=_join_string(join),
        lasting_s=lasting_s,
        processes=processes,
        templates=_templates(grains_path),
        behaviour=Behaviour(seed, delay, return_bytes, failure_rate),
        joins_a_second=joins_a_second,
        directory=directory,
        prefix=prefix,
    )
    outcome = run(wanted, note=session.note)
    _show(outcome, form)
    if outcome.problems:
        return int(ExitCode.FAILED)
    if outcome.figures.ready == 0:
        return int(ExitCode.NO_MASTER)
    return int(ExitCode.OK if outcome.figures.ready == number else ExitCode.NO_RESULT)


def _show(outcome: "Outcome", form: str) -> None:
    """Write how it went."""
    from limpet.common.terminal.forms import json_text
    from limpet.minion.swarm.summary import document, summary_lines

    figures, problems = outcome.figures, outcome.problems
    if form == "json":
        data = document(
            figures, seconds=outcome.seconds, processes=outcome.processes, problems=problems
        )
        sys.stdout.write(json_text(data) + "\n")
    else:
        lines = summary_lines(figures, seconds=outcome.seconds, problems=problems)
        sys.stdout.write("\n".join(lines) + "\n")


def _join_string(text: str | None) -> Any:  # noqa: ANN401
    from limpet.common.crypto.joinstring import parse_join_string
    from limpet.minion.setup.joining import STDIN, read_join_input

    if text is None:
        return None
    return read_join_input() if text == STDIN else parse_join_string(text)


def _templates(path: Path | None) -> Any:  # noqa: ANN401
    from limpet.common.settings.source import BYTES_MAX
    from limpet.common.storage.files import read_whole
    from limpet.minion.swarm.minions.grains import USUAL, read_templates

    if path is None:
        return USUAL
    try:
        text = read_whole(path, bytes_max=BYTES_MAX)
    except FileNotFoundError as error:
        raise UsageError(f"{path}: there is no such file") from error
    return read_templates(text, str(path))
