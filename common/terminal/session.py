"""What the options that every command has came to: where, how loud, in colour or not."""

from __future__ import annotations

import os
import sys
from typing import Final

import click

from limpet.common.terminal.colors import Palette, palette_for
from limpet.common.terminal.escape import escape_line

ROOT_VARIABLE: Final = "LIMPET_ROOT"


class Session:
    """One call of the command line. `Session.current()` gives it to a command."""

    def __init__(self) -> None:
        self.root: str | None = None
        """`--root`, where it was given; `$LIMPET_ROOT` is heeded by whoever looks for places."""
        self.log_level: str | None = None
        self.is_color_refused = False

    @staticmethod
    def current() -> Session:
        """Give the session of the command that is running."""
        session = click.get_current_context().find_object(Session)
        return Session() if session is None else session

    @property
    def palette(self) -> Palette:
        """Give the colours for stdout."""
        return palette_for(sys.stdout, is_refused=self.is_color_refused)

    @property
    def is_quiet(self) -> bool:
        """Say whether only errors are wanted on stderr."""
        return self.log_level in ("quiet", "critical", "error")

    def command(self, *words: str) -> str:
        """Give a command line to show to the person, with `--root` if it was given."""
        import shlex

        root = [] if self.root is None else ["--root", self.root]
        return " ".join(shlex.quote(word) for word in ("limpet", *root, *words))

    def note(self, text: str) -> None:
        """Say something in a line on stderr, unless it should be quiet."""
        if not self.is_quiet:
            complain(text)


def complain(text: str) -> None:
    """Write `limpet: …` as one line to stderr."""
    click.echo(f"limpet: {escape_line(text)}", err=True)


def common_options() -> list[click.Option]:
    """Make the options that stand before the command or after it: `--root`, `-l`, `--no-color`."""
    return [
        click.Option(
            ["--root"],
            metavar="DIR",
            expose_value=False,
            callback=_set_root,
            help="Keep configuration, state and sockets under DIR (also: LIMPET_ROOT).",
        ),
        click.Option(
            ["-l", "--log-level"],
            metavar="LEVEL",
            expose_value=False,
            callback=_set_log_level,
            help="How loud on stderr: quiet, error, warning, info or debug.",
        ),
        click.Option(
            ["--no-color"],
            is_flag=True,
            expose_value=False,
            callback=_set_no_color,
            help="No colours (also: NO_COLOR).",
        ),
    ]


def _set_root(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    if not value:
        raise click.BadParameter("a directory is expected", context, parameter)
    context.ensure_object(Session).root = value
    # Whatever looks for its places in this process, or in one started by it, finds the same.
    os.environ[ROOT_VARIABLE] = value


def _set_log_level(context: click.Context, parameter: click.Parameter, value: str | None) -> None:
    if value is None:
        return
    from limpet.common.observability.logs import parse_level

    parse_level(value)
    context.ensure_object(Session).log_level = value.strip().lower()


def _set_no_color(context: click.Context, parameter: click.Parameter, value: bool) -> None:
    if value:
        context.ensure_object(Session).is_color_refused = True
