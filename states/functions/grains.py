"""`grains.*`: the facts of this host, and grains that are set and kept on it.

What is set here is kept in the grains file beside `minion.yaml`; `grains:` in `minion.yaml` itself
goes before it.
"""

import copy
import json
from collections.abc import Mapping
from contextlib import suppress
from typing import Any

from limpet.common.errors import HostError, SourceError, UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.data.merging import merge as merged
from limpet.states.data.traversal import traverse
from limpet.states.grains.loading import read_own

_GRAINS_MODE = 0o644


def items(context: FunctionContext, sanitize: bool = False) -> dict[str, Any]:
    """Give all grains; with `sanitize`, names and numbers that identify the host are masked.

    CLI Example: limpet run '*' grains.items
    """
    return _sanitized(dict(context.grains)) if sanitize else dict(context.grains)


def item(
    context: FunctionContext,
    *args: str,
    default: Loose = "",
    delimiter: str = ":",
    sanitize: bool = False,
    **_odd: Loose,
) -> dict[str, Any]:
    """Give the named grains; a path such as `dns:nameservers` leads into one.

    CLI Example: limpet run '*' grains.item os osrelease
    """
    found = {str(name): traverse(context.grains, str(name), default, delimiter) for name in args}
    return _sanitized(found) if sanitize else found


def get(
    context: FunctionContext,
    key: str,
    default: Loose = "",
    delimiter: str = ":",
    ordered: bool = True,
) -> Loose:
    """Give the value of a grain, or of what is in it by a path such as `dns:nameservers:0`.

    CLI Example: limpet run '*' grains.get os_family
    """
    return traverse(context.grains, key, default, delimiter)


def fetch(
    context: FunctionContext,
    key: str,
    default: Loose = "",
    delimiter: str = ":",
    ordered: bool = True,
) -> Loose:
    """Give the value of a grain; another name of `grains.get`.

    CLI Example: limpet run '*' grains.fetch os_family
    """
    return get(context, key, default, delimiter, ordered)


def has_value(context: FunctionContext, key: str) -> bool:
    """Say whether there is such a grain.

    CLI Example: limpet run '*' grains.has_value roles
    """
    nothing = object()
    return traverse(context.grains, key, nothing) is not nothing


def ls(context: FunctionContext) -> list[str]:
    """Give the names of all grains.

    CLI Example: limpet run '*' grains.ls
    """
    return sorted(context.grains)


def equals(context: FunctionContext, key: str, value: Loose) -> bool:
    """Say whether a grain has that value, compared as text.

    CLI Example: limpet run '*' grains.equals os Debian
    """
    return str(value) == str(get(context, key))


def filter_by(
    context: FunctionContext,
    lookup_dict: dict[str, Any],
    grain: str = "os_family",
    merge: Loose = None,
    default: Loose = "default",
    base: Loose = None,
) -> Loose:
    """Choose the entry of a mapping that fits the value of a grain, globs allowed.

    The entry `base` lies under it, `merge` on top of it; an empty value of any type, such as the
    '' of a pillar key that is not there, is none. CLI Example:
    limpet run '*' grains.filter_by '{Debian: apache2, default: httpd}'
    """
    return choose(lookup_dict, get(context, grain, None), merge, default, base)


def choose(
    entries: Mapping[str, Any],
    value: Loose,
    merge: Loose,
    default: Loose,
    base: Loose,
) -> Loose:
    """Choose by a value: Salt's `filter_by` for grains and pillar alike."""
    from fnmatch import fnmatchcase

    wanted = [str(each) for each in (value if isinstance(value, list) else [value])]
    key = next(
        (key for each in wanted for key in sorted(entries, key=str) if fnmatchcase(each, str(key))),
        default,
    )
    found = entries.get(key)
    if found is None:
        found = entries.get(default)
    under = entries.get(base) if base else None
    if found is None:
        found = under
    elif isinstance(under, Mapping):
        found = merged(under, _mapping(found))
    if merge:
        found = _mapping(merge) if found is None else merged(_mapping(found), _mapping(merge))
    return copy.deepcopy(found)


def _mapping(value: Loose) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise UsageError("filter_by: what is chosen, 'base' and 'merge' must all be mappings")
    return value


def setval(
    context: FunctionContext,
    key: str,
    val: Loose,
    destructive: bool = False,
    refresh_pillar: bool = True,
) -> Loose:
    """Set a grain and keep it; with `destructive` an empty value deletes it.

    CLI Example: limpet run '*' grains.setval roles '[web, db]'
    """
    return setvals(context, {key: val}, destructive, refresh_pillar)


def setvals(
    context: FunctionContext,
    grains: dict[str, Any],
    destructive: bool = False,
    refresh_pillar: bool = True,
) -> Loose:
    """Set several grains and keep them.

    CLI Example: limpet run '*' grains.setvals '{role: web, rack: 7}'
    """
    path = context.places.grains_file
    try:
        own = read_own(path)
    except (SourceError, HostError) as error:
        context.retcode = 1
        return f"Unable to read existing grains file: {error}"
    for key, value in grains.items():
        if value is None and destructive:
            own.pop(key, None)
        else:
            own[key] = value
    try:
        text = _as_yaml(own)
    except TypeError as error:
        raise UsageError(f"grains.setvals: a value can't be kept: {error}") from None
    context.host.files.write_text(str(path), text, mode=_GRAINS_MODE)
    context.forget_grains()
    with suppress(HostError):  # kept all the same: the next collection of the minion has them
        context.jobs.refresh_grains()
    return dict(grains)


def append(
    context: FunctionContext, key: str, val: Loose, convert: bool = False, delimiter: str = ":"
) -> Loose:
    """Add a value to a grain that is a list; with `convert` another one becomes a list first.

    CLI Example: limpet run '*' grains.append roles web
    """
    values = copy.deepcopy(get(context, key, [], delimiter))
    if convert and not isinstance(values, list):
        values = [] if values is None else [values]
    if not isinstance(values, list):
        return f"The key {key} is not a valid list"
    if val in values:
        return f"The val {val} was already in the list {key}"
    values.extend(val) if isinstance(val, list) else values.append(val)
    return setval(context, *_wrapped(context, key, values, delimiter))


def remove(context: FunctionContext, key: str, val: Loose, delimiter: str = ":") -> Loose:
    """Take a value out of a grain that is a list.

    CLI Example: limpet run '*' grains.remove roles web
    """
    values = copy.deepcopy(get(context, key, [], delimiter))
    if not isinstance(values, list):
        return f"The key {key} is not a valid list"
    if val not in values:
        return f"The val {val} was not in the list {key}"
    values.remove(val)
    return setval(context, *_wrapped(context, key, values, delimiter))


def delkey(context: FunctionContext, key: str, force: bool = False) -> dict[str, Any]:
    """Delete a grain; one that is a list or a mapping only with `force`.

    CLI Example: limpet run '*' grains.delkey roles force=True
    """
    return set_(context, key, None, force=force, destructive=True)


def delval(
    context: FunctionContext, key: str, destructive: bool = False, force: bool = False
) -> dict[str, Any]:
    """Empty a grain, or delete it with `destructive`.

    CLI Example: limpet run '*' grains.delval roles force=True
    """
    return set_(context, key, None, force=force, destructive=destructive)


def set_(
    context: FunctionContext,
    key: str,
    val: Loose = "",
    force: bool = False,
    destructive: bool = False,
    delimiter: str = ":",
) -> dict[str, Any]:
    """Set a grain, or what a path leads to in it, and say what changed.

    A list or mapping is replaced, or put in the place of a value, only with `force`. CLI Example:
    limpet run '*' grains.set 'apps:web:port' 8080
    """
    nothing = object()
    present = get(context, key, nothing, delimiter)
    if present is not nothing and present == val and not (val is None and destructive):
        return {"comment": "Grain is already set", "changes": {}, "result": True}
    if present is not None and not force:
        if isinstance(present, dict | list):
            return _refused(f"The key '{key}' exists but is a dict or a list. ")
        if isinstance(val, dict | list) and present is not nothing:
            return _refused(f"The key '{key}' exists and the given value is a dict or a list. ")
    value = val
    while delimiter in key:
        key, last = key.rsplit(delimiter, 1)
        around = copy.deepcopy(get(context, key, {}, delimiter))
        if isinstance(around, dict):
            if value is None and destructive:
                around.pop(last, None)
            else:
                around[last] = value
        elif isinstance(around, list):
            _put_into_list(around, last, value)
        elif around == last or force:
            around = {last: value}
        else:
            return _refused(
                f"The key '{key}' value is '{around}', which is different from the provided key "
                f"'{last}'. "
            )
        value = around
    changes = setval(context, key, value, destructive)
    if not isinstance(changes, dict):
        return {"comment": changes, "changes": {}, "result": False}
    return {"comment": "", "changes": changes, "result": True}


def _refused(comment: str) -> dict[str, Any]:
    return {"comment": f"{comment}Use 'force=True' to overwrite.", "changes": {}, "result": False}


def _put_into_list(members: list[Any], name: str, value: Loose) -> None:
    is_put = False
    for index, member in enumerate(members):
        if member == name:
            members[index] = {name: value}
            is_put = True
        elif isinstance(member, dict) and name in member:
            member[name] = value
            is_put = True
    if not is_put:
        members.append({name: value})


def _wrapped(context: FunctionContext, key: str, value: Loose, delimiter: str) -> tuple[str, Loose]:
    """Give the outermost grain of a path, with the new value in its place inside of it."""
    while delimiter in key:
        key, last = key.rsplit(delimiter, 1)
        around = copy.deepcopy(get(context, key, {}, delimiter))
        value = {**around, last: value} if isinstance(around, dict) else {last: value}
    return key, value


def _sanitized(grains: dict[str, Any]) -> dict[str, Any]:
    for name in ("host", "localhost", "nodename"):
        if name in grains:
            grains[name] = "MINION"
    for name in ("fqdn", "id"):
        if name in grains:
            grains[name] = "MINION.DOMAINNAME"
    if "domain" in grains:
        grains["domain"] = "DOMAINNAME"
    if "serialnumber" in grains:
        number = str(grains["serialnumber"])
        shown = len(number) * 3 // 4
        grains["serialnumber"] = number[:shown] + "X" * (len(number) - shown)
    return grains


def _as_yaml(grains: Mapping[str, Any]) -> str:
    from limpet.states.sls import yaml_text

    plain = json.loads(json.dumps(grains))  # only plain values
    return yaml_text.dump_file(plain, allow_unicode=True)
