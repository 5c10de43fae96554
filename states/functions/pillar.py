"""`pillar.*`: the minion's own pillar, as the function that asks sees it."""

from collections.abc import Mapping
from typing import Any

from limpet.states.context import FunctionContext, Loose
from limpet.states.traversal import traverse

_NOTHING = object()


def get(
    context: FunctionContext,
    key: str,
    default: Loose = "",
    merge: bool = False,
    merge_nested_lists: bool | None = None,
    delimiter: str = ":",
    pillarenv: str | None = None,
    saltenv: str | None = None,
    **_odd: Loose,
) -> Loose:
    """Give a value by a path such as `a:b`; with `merge` it is laid over the default.

    It is no copy: templates that change it count on other SLS seeing that, as in Salt.
    CLI Example: limpet run '*' pillar.get pkg:apache
    """
    from limpet.states.pillar import lookup

    return lookup.get(
        _pillar_of(context, pillarenv, saltenv),
        key,
        default,
        is_merging=merge,
        is_joining_lists=bool(merge_nested_lists),
        delimiter=delimiter,
    )


def items(
    context: FunctionContext,
    *keys: Loose,
    pillar: dict[str, Any] | None = None,
    pillarenv: str | None = None,
    saltenv: str | None = None,
    **_odd: Loose,
) -> dict[str, Any]:
    """Give the whole pillar, compiled anew; with `pillar` that is laid over it.

    CLI Example: limpet run '*' pillar.items
    """
    from limpet.states.runner.applying import Applying, Wishes

    wishes = Wishes(pillar=pillar, pillarenv=pillarenv, saltenv=saltenv)
    return dict(Applying(context, wishes).compilation.pillar_items())


def data(context: FunctionContext, pillar: dict[str, Any] | None = None) -> dict[str, Any]:
    """Give the whole pillar, compiled anew, as `pillar.items` does.

    CLI Example: limpet run '*' pillar.data
    """
    return items(context, pillar=pillar)


def raw(context: FunctionContext, key: str | None = None) -> Loose:
    """Give the pillar as this call sees it, or one key of it.

    CLI Example: limpet run '*' pillar.raw key=roles
    """
    found = _pillar_of(context)
    return dict(found) if key is None else found.get(key, {})


def item(
    context: FunctionContext, *keys: str, default: Loose = "", delimiter: str = ":", **_odd: Loose
) -> dict[str, Any]:
    """Give the values of several keys.

    CLI Example: limpet run '*' pillar.item foo bar:baz
    """
    found = _pillar_of(context)
    return {key: traverse(found, key, default, delimiter) for key in keys}


def ls(context: FunctionContext) -> list[str]:
    """Give the names of the keys at the top.

    CLI Example: limpet run '*' pillar.ls
    """
    return list(_pillar_of(context))


def keys(context: FunctionContext, key: str, delimiter: str = ":") -> list[str]:
    """Give the names of the keys below a path.

    CLI Example: limpet run '*' pillar.keys web:sites
    """
    found = traverse(_pillar_of(context), key, _NOTHING, delimiter)
    if found is _NOTHING:
        raise KeyError(f"Pillar key not found: {key}")
    if not isinstance(found, dict):
        raise ValueError(f"Pillar value is not a dict: {key}")
    return list(found)


def _pillar_of(
    context: FunctionContext, pillarenv: str | None = None, saltenv: str | None = None
) -> Mapping[str, Any]:
    """Give the pillar that a call sees: the run's, else it is compiled here."""
    if not context.is_published and not pillarenv and not saltenv:
        return context.pillar
    from limpet.states.runner.applying import Applying, Wishes

    return Applying(context, Wishes(pillarenv=pillarenv, saltenv=saltenv)).compilation.pillar.data
