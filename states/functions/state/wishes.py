"""What is said beside the names of states: read once, the same for all functions."""

from typing import TYPE_CHECKING, Any, Final

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose

if TYPE_CHECKING:
    from limpet.states.runner.applying import Applying
    from limpet.states.runner.following import Kind

WISHES: Final = ("test", "saltenv", "pillarenv", "pillar", "exclude", "whitelist")


def run(
    context: FunctionContext,
    more: dict[str, Any],
    kind: "Kind",
    data: Loose = None,
    id_: str | None = None,
) -> Loose:
    """Run what is asked for; give results, or errors."""
    from limpet.states.runner.following import Asked

    return applying_of(context, more).run(Asked(kind, data, id_))


def applying_of(context: FunctionContext, more: dict[str, Any]) -> "Applying":
    """Read what was said beside the names. Raises `UsageError`."""
    from limpet.states.functions.arguments import Mismatch, convert
    from limpet.states.runner.applying import Applying, Wishes

    pillar = more.get("pillar")
    if pillar is not None and not isinstance(pillar, dict):
        raise UsageError("Pillar data must be formatted as a dictionary")
    try:
        test = None if more.get("test") is None else convert(more["test"], bool)
    except Mismatch as mismatch:
        raise UsageError(f"the argument 'test' must be {mismatch}") from None
    return Applying(
        context,
        Wishes(
            test=test,
            saltenv=_text(more.get("saltenv")) or _configured_environment(context),
            pillarenv=_text(more.get("pillarenv")),
            pillar=pillar,
            exclude=_listed(more.get("exclude")),
            whitelist=names_of(more.get("whitelist") or []),
            top=_text(more.get("topfn")),
        ),
    )


def _configured_environment(context: FunctionContext) -> str | None:
    """Give the environment that the minion is fixed to, by the configuration key `saltenv`."""
    own = context.configuration.get("custom")
    custom = own if isinstance(own, dict) else {}
    return _text(custom.get("saltenv") or context.configuration.get("saltenv") or None)


def names_of(mods: Loose) -> list[str]:
    """Give names that may be written with commas between."""
    if isinstance(mods, str):
        return [each.strip() for each in mods.split(",") if each.strip()]
    return [str(each) for each in (mods if isinstance(mods, list | tuple) else [mods])]


def _listed(value: Loose) -> list[Any]:
    if isinstance(value, str):
        return [each.strip() for each in value.split(",")]
    return list(value) if isinstance(value, list | tuple) else []


def _text(value: Loose) -> str | None:
    return None if value is None else str(value)


def judged(context: FunctionContext, found: Loose) -> Loose:
    """Give what was found; a list is errors, and a failure."""
    if isinstance(found, list):
        context.retcode = 1
    return found
