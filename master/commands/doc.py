"""`limpet doc`: what functions do, without a master."""

import sys
import textwrap
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Final

import click

from limpet.common.errors import UsageError
from limpet.common.terminal.colors import Palette
from limpet.common.terminal.session import Session
from limpet.master.commands.jobs import FORMAT
from limpet.master.commands.shared.output import write_document

if TYPE_CHECKING:
    from limpet.states.functions import registry

USAGE_CHARACTERS: Final = 90


@click.command(
    epilog="""\b
Examples:
  limpet doc                  all functions, a line each
  limpet doc cmd              those of a module
  limpet doc cmd.run          one, with its arguments"""
)
@click.argument("names", nargs=-1, metavar="[FUN|MODULE…]")
@FORMAT
def command(names: tuple[str, ...], form: str) -> int:
    """Show what functions do and which arguments they take. Works without a master."""
    from limpet.states.functions import registry

    session = Session.current()
    chosen: dict[str, registry.Function] = {}
    for name in names or registry.MODULES:
        found = _functions(name)
        if not found:
            raise UsageError(f"no documentation for {name[:60]!a}{registry.did_you_mean(name)}")
        chosen.update({function.name: function for function in found})
    if form != "text":
        data = {
            name: {"usage": function.whole_usage, "documentation": function.documentation}
            for name, function in sorted(chosen.items())
        }
        write_document(data, form)
        return 0
    is_brief = not any("." in name for name in names)
    for line in _lines(
        {name: (each.whole_usage, each.documentation) for name, each in sorted(chosen.items())},
        session.palette,
        is_brief=is_brief,
    ):
        sys.stdout.write(f"{line}\n")
    return 0


def _functions(name: str) -> list["registry.Function"]:
    from limpet.states.functions import registry

    if "." in name:
        function = registry.find(name)
        return [] if function is None else [function]
    return list(registry.functions_of(name).values())


def _lines(
    functions: Mapping[str, tuple[str, str]], palette: Palette, *, is_brief: bool
) -> Iterable[str]:
    for name, (usage, documentation) in functions.items():
        if is_brief:
            first = documentation.partition("\n")[0]
            yield f"{palette.paint('cyan', name.ljust(26))} {first}".rstrip()
            continue
        for line in textwrap.wrap(
            usage,
            USAGE_CHARACTERS,
            subsequent_indent="    ",
            break_long_words=False,
            break_on_hyphens=False,
        ):
            yield palette.paint("cyan", line)
        yield ""
        yield from (f"    {line}".rstrip() for line in documentation.splitlines())
        yield ""
