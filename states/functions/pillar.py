"""`pillar.*`: the minion's own pillar, as the function that asks sees it.

Called by a person, or on behalf of nobody, it is rendered anew: by the master, or out of this
minion's own roots where there is none. In a run of states it is the pillar of that run.
"""

import copy
import fnmatch
import os
from collections.abc import Mapping
from typing import Any

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.data.merging import merge as merged
from limpet.states.data.traversal import traverse
from limpet.states.pillar import job

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


def fetch(
    context: FunctionContext,
    key: str,
    default: Loose = "",
    merge: bool = False,
    merge_nested_lists: bool | None = None,
    delimiter: str = ":",
    pillarenv: str | None = None,
    saltenv: str | None = None,
    **odd: Loose,
) -> Loose:
    """Give a value by a path, as `pillar.get` does.

    CLI Example: limpet run '*' pillar.fetch pkg:apache
    """
    return get(
        context, key, default, merge, merge_nested_lists, delimiter, pillarenv, saltenv, **odd
    )


def items(
    context: FunctionContext,
    *keys: Loose,
    pillar: dict[str, Any] | None = None,
    pillarenv: str | None = None,
    saltenv: str | None = None,
    **_odd: Loose,
) -> dict[str, Any]:
    """Give the whole pillar, rendered anew, or some keys; with `pillar` that is laid over it.

    CLI Example: limpet run '*' pillar.items
    """
    if job.is_compiling(context):
        found: Mapping[str, Any] = context.pillar
    else:
        found = job.load(context, pillarenv=pillarenv, saltenv=saltenv, override=pillar).items
    if keys:
        return {str(key): traverse(found, str(key), "") for key in keys}
    return dict(found)


def data(context: FunctionContext, pillar: dict[str, Any] | None = None) -> dict[str, Any]:
    """Give the whole pillar, rendered anew, as `pillar.items` does.

    CLI Example: limpet run '*' pillar.data
    """
    return items(context, pillar=pillar)


def obfuscate(context: FunctionContext, *keys: Loose, **named: Loose) -> dict[str, Any]:
    """Give the whole pillar, rendered anew, with the type in place of each value.

    CLI Example: limpet run '*' pillar.obfuscate
    """
    return {key: _types(each) for key, each in items(context, *keys, **named).items()}


def refresh(context: FunctionContext) -> bool:
    """Have the pillar rendered anew, as `saltutil.refresh_pillar` does.

    CLI Example: limpet run '*' pillar.refresh
    """
    return not job.reload(context).errors


def ext(context: FunctionContext, external: dict[str, Any]) -> dict[str, Any]:
    """Give what a source of external pillar gives; only where pillar is rendered on this host.

    That is `limpet call --local`, or a minion with `file_client: local`: no minion chooses what
    runs on its master.
    CLI Example: limpet run web1 pillar.ext '{cmd_yaml: cat /srv/extra.yaml}'
    """
    if context.sources is not None:
        raise UsageError(
            "pillar.ext: sources of pillar are chosen in the master's configuration (ext_pillar), "
            "not by its minions; with `limpet call --local` it works"
        )
    from dataclasses import replace

    listed = [{name: value} for name, value in external.items()]
    alone = {**context.configuration, "ext_pillar": listed, "pillar_roots": {}}
    return items(replace(context, configuration=alone))


def file_exists(context: FunctionContext, path: str, saltenv: str | None = None) -> bool:
    """Say whether there is a file in the pillar roots of the host that renders pillar.

    CLI Example: limpet run web1 pillar.file_exists web.sls
    """
    if context.sources is not None:
        raise UsageError("pillar.file_exists: the pillar roots are on the master, not here")
    from limpet.states.fileroots.choosing import configured_roots

    roots = configured_roots(context, "pillar_roots")
    wanted = [saltenv] if saltenv else list(roots)
    return any(
        context.host.files.exists(os.path.join(root, path))
        for environment in wanted
        for root in roots.get(environment, ())
    )


def filter_by(
    context: FunctionContext,
    lookup_dict: dict[str, Any],
    pillar: str,
    merge: dict[str, Any] | None = None,
    default: Loose = "default",
    base: str | None = None,
) -> Loose:
    """Choose among values by the value of a pillar key; the names to choose from may be globs.

    CLI Example: limpet run '*' pillar.filter_by '{web: Serve it up, db: I query}' role
    """
    value = traverse(_pillar_of(context), pillar, _NOTHING)
    wanted = [str(each) for each in value] if isinstance(value, list) else [str(value)]
    names = [] if value is _NOTHING else wanted
    chosen = next(
        (
            lookup_dict[pattern]
            for each in names
            for pattern in lookup_dict
            if fnmatch.fnmatchcase(each, str(pattern))
        ),
        lookup_dict.get(default) if isinstance(default, str) else None,
    )
    if base and base in lookup_dict:
        under = copy.deepcopy(lookup_dict[base])
        chosen = under if chosen is None else merged(under, chosen)
    if merge:
        chosen = copy.deepcopy(merge) if chosen is None else merged(copy.deepcopy(chosen), merge)
    return copy.deepcopy(chosen)


def raw(context: FunctionContext, key: str | None = None) -> Loose:
    """Give the pillar as this call sees it, or one key of it.

    CLI Example: limpet run '*' pillar.raw key=roles
    """
    found = _pillar_of(context)
    return dict(found) if key is None else found.get(key, {})


def item(
    context: FunctionContext,
    *keys: str,
    default: Loose = "",
    delimiter: str = ":",
    pillarenv: str | None = None,
    saltenv: str | None = None,
    **_odd: Loose,
) -> dict[str, Any]:
    """Give the values of several keys.

    CLI Example: limpet run '*' pillar.item foo bar:baz
    """
    found = _pillar_of(context, pillarenv, saltenv)
    return {key: traverse(found, key, default, delimiter) for key in keys}


def ls(context: FunctionContext, *_odd: Loose) -> list[str]:
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
    """Give the pillar that a call sees: the run's or the job's, or that of other environments."""
    if job.is_compiling(context):
        return context.pillar
    if not pillarenv and not saltenv:
        return job.pillar_of(context)
    return job.load(context, pillarenv=pillarenv, saltenv=saltenv).items


def _types(value: Any) -> Any:  # noqa: ANN401
    if isinstance(value, Mapping):
        return {key: _types(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_types(each) for each in value]
    return f"<{type(value).__name__}>"
