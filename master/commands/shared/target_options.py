"""The options that say how a target is meant, with Salt's letters."""

from collections.abc import Callable
from typing import Any, Final, TypeVar, cast

import click

from limpet.common.control.requests import TargetKind
from limpet.common.errors import UsageError

F = TypeVar("F", bound=Callable[..., Any])

_KINDS: Final[tuple[tuple[str, str, str, str], ...]] = (
    ("-L", "--list", "list", "TARGET is a list of ids: web1,web2."),
    ("-E", "--pcre", "pcre", "TARGET is a regular expression over ids."),
    ("-G", "--grain", "grain", "TARGET is a grain and a glob: os:Ubuntu."),
    ("-P", "--grain-pcre", "grain_pcre", "TARGET is a grain and a regular expression."),
    ("-I", "--pillar-target", "pillar", "TARGET is a pillar key and a glob: role:web*."),
    ("-J", "--pillar-pcre", "pillar_pcre", "TARGET is a pillar key and a regular expression."),
    ("-S", "--ipcidr", "ipcidr", "TARGET is an address or a network: 10.0.0.0/8."),
    ("-N", "--nodegroup", "nodegroup", "TARGET is a node group of master.yaml."),
    ("-C", "--compound", "compound", "TARGET is an expression: 'G@os:Ubuntu and not web*'."),
)


def target_options(command: F) -> F:
    """Add `-L -E -G -P -I -J -S -N -C` to a command; `kind_of` reads them from its arguments."""
    for short, long, kind, text in reversed(_KINDS):
        command = click.option(short, long, f"by_{kind}", is_flag=True, help=text)(command)
    return command


def kind_of(chosen: dict[str, bool]) -> TargetKind:
    """Take the options of `target_options` and give the kind. Raises `UsageError` for two."""
    kinds = [name.removeprefix("by_") for name, is_set in chosen.items() if is_set]
    if len(kinds) > 1:
        raise UsageError(
            "a target can be meant in one way only: give one of -L -E -G -P -I -J -S -N -C"
        )
    return cast(TargetKind, kinds[0]) if kinds else "glob"
