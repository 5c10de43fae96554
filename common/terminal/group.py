"""Building blocks for commands: a group that imports a command only when it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any

import click
from click.core import ParameterSource

from limpet.common.errors import UsageError
from limpet.common.terminal.session import Session, common_options
from limpet.common.terminal.times import parse_duration


class LazyGroup(click.Group):
    """A group whose commands are named by `module:attribute`, with the line that help shows.

    Commands get the options that all have (`--root`, `-l`, `--no-color`) added when they are
    loaded, unless they define them themselves.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        lazy: Mapping[str, tuple[str, str]],
        **options: Any,  # noqa: ANN401
    ) -> None:
        super().__init__(name, **options)
        self._lazy = lazy
        self.params.extend(common_options())

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Give the names in the order of the table."""
        return list(self._lazy)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import a command. Raises `UsageError` where this installation does not have it."""
        if cmd_name not in self._lazy:
            return None
        module, _, attribute = self._lazy[cmd_name][0].partition(":")
        command = getattr(importlib.import_module(module), attribute)
        assert isinstance(command, click.Command)
        add_common_options(command)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command, or say which may have been meant."""
        if args[0] not in self._lazy:
            import difflib

            near = difflib.get_close_matches(args[0], self._lazy, n=1)
            hint = f"; did you mean {near[0]!r}?" if near else ""
            raise UsageError(
                f"there is no command {args[0][:40]!a}{hint} ({ctx.command_path} --help lists them)"
            )
        name, command, rest = super().resolve_command(ctx, args)
        session = ctx.ensure_object(Session)
        if session.log_level is not None and name is not None:
            # For commands that define `--log-level` themselves.
            ctx.default_map = {name: {"log_level": session.log_level}}
        return name, command, rest

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """List the commands without importing them."""
        if not self._lazy:
            return
        with formatter.section("Commands"):
            formatter.write_dl([(name, line) for name, (_, line) in self._lazy.items()])


class DaemonGroup(LazyGroup):
    """A command that runs a daemon when it stands alone, and has commands beside that.

    The options of the group are the daemon's; none of them may stand before one of the commands,
    whose own they might be taken for.
    """

    def __init__(
        self,
        name: str | None = None,
        *,
        callback: Callable[..., Any],
        **options: Any,  # noqa: ANN401
    ) -> None:
        def run_alone(**values: Any) -> Any:  # noqa: ANN401
            """Run the daemon unless a command stands behind it."""
            if click.get_current_context().invoked_subcommand is None:
                return callback(**values)
            return None

        run_alone.__doc__ = callback.__doc__
        super().__init__(name, callback=run_alone, invoke_without_command=True, **options)

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """Find the command. Raises `UsageError` where an option of the daemon stands before it."""
        found = super().resolve_command(ctx, args)
        common = {option.name for option in common_options()}
        for parameter in self.params:
            name = parameter.name or ""
            is_given = ctx.get_parameter_source(name) is ParameterSource.COMMANDLINE
            if is_given and name not in common:
                raise UsageError(
                    f"{parameter.opts[0]} is an option of `{ctx.command_path}` alone: "
                    f"what {args[0][:40]!a} should know stands behind it"
                )
        return found


def add_common_options(command: click.Command) -> None:
    """Let `--root`, `-l` and `--no-color` stand after the command as well as before it."""
    if isinstance(command, click.Group):
        for each in command.commands.values():
            add_common_options(each)
    taken = {flag for parameter in command.params for flag in parameter.opts}
    command.params.extend(
        option for option in common_options() if not taken.intersection(option.opts)
    )


class Duration(click.ParamType):  # type: ignore[type-arg]
    """Seconds, or a duration such as `90s`, `15m`, `1h30m`."""

    name = "duration"

    def convert(
        self,
        value: Any,  # noqa: ANN401
        param: click.Parameter | None,
        ctx: click.Context | None,
    ) -> float:
        """Turn the text into seconds."""
        if isinstance(value, int | float):
            return float(value)
        try:
            return parse_duration(value)
        except UsageError as error:
            self.fail(str(error), param, ctx)


DURATION = Duration()


def format_option(*forms: str, text: str) -> Callable[[Any], Any]:
    """Give the option `--format`, whose first form is the usual one; `text` is its help."""
    return click.option(
        "--format",
        "form",
        type=click.Choice(forms),
        default=forms[0],
        show_default=True,
        help=text,
    )
