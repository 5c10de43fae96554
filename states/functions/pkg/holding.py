"""`pkg.hold` and its kin: packages kept at their version, and what dpkg calls selections."""

import fnmatch
from typing import Any, cast

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions.pkg.wanted import wanted
from limpet.states.ports.packages import Selection

_STATES = ("install", "hold", "deinstall", "purge")


def hold(
    context: FunctionContext,
    name: Loose = None,
    pkgs: Loose = None,
    sources: Loose = None,
    **_odd: Loose,
) -> dict[str, dict[str, Any]]:
    """Keep packages at the version that they have.

    CLI Example: limpet run '*' pkg.hold vim
    """
    return set_held(context, _names(name, pkgs, sources), is_held=True)


def unhold(
    context: FunctionContext,
    name: Loose = None,
    pkgs: Loose = None,
    sources: Loose = None,
    **_odd: Loose,
) -> dict[str, dict[str, Any]]:
    """Let packages that are held be upgraded again.

    CLI Example: limpet run '*' pkg.unhold vim
    """
    return set_held(context, _names(name, pkgs, sources), is_held=False)


def set_held(
    context: FunctionContext, names: list[str], *, is_held: bool, is_test: bool = False
) -> dict[str, dict[str, Any]]:
    """Hold packages or let them go; give Salt's result for each by name."""
    packages = context.host.packages
    selections = packages.selections()
    wish: Selection = "hold" if is_held else "install"
    found: dict[str, dict[str, Any]] = {}
    changed: dict[str, Selection] = {}
    for name in names:
        plain = packages.normal_name(name)
        old = selections.get(plain)
        entry: dict[str, Any] = {"name": name, "changes": {}, "result": True}
        if (old == "hold") == is_held:
            word = "set to be held" if is_held else "set not to be held"
            entry["comment"] = f"Package {name} is already {word}."
        else:
            changed[plain] = wish
            entry["changes"] = {"old": old, "new": wish}
            if is_test:
                entry["result"] = None
                word = "to be held" if is_held else "not to be held"
                entry["comment"] = f"Package {name} is set {word}."
            else:
                word = "now" if is_held else "no longer"
                entry["comment"] = f"Package {name} is {word} being held."
        found[name] = entry
    if changed and not is_test:
        packages.select(changed)
    return found


def list_holds(context: FunctionContext, pattern: str | None = None, **_odd: Loose) -> list[str]:
    """Name the packages that are held.

    CLI Example: limpet run '*' pkg.list_holds
    """
    found = context.host.packages.selections()
    return sorted(
        name
        for name, wish in found.items()
        if wish == "hold" and (not pattern or fnmatch.fnmatchcase(name, pattern))
    )


def get_selections(
    context: FunctionContext, pattern: str | None = None, state: str | None = None
) -> dict[str, list[str]]:
    """Give what is wanted of each package, by `install`, `hold`, `deinstall` and `purge`.

    CLI Example: limpet run '*' pkg.get_selections 'python-*' state=hold
    """
    found: dict[str, list[str]] = {}
    for name, wish in context.host.packages.selections().items():
        if pattern and not fnmatch.fnmatchcase(name, pattern):
            continue
        if state in (None, wish):
            found.setdefault(wish, []).append(name)
    return found


def set_selections(
    context: FunctionContext,
    path: str | None = None,
    selection: Loose = None,
    clear: bool = False,
    saltenv: str = "base",
) -> dict[str, dict[str, Any]]:
    """Say what is wanted of packages, from a mapping or a file of `NAME STATE` lines.

    CLI Example: limpet run '*' pkg.set_selections selection='{hold: [openssh-server]}'
    """
    if bool(path) == bool(selection):
        raise UsageError("pkg.set_selections: give either path or selection")
    packages = context.host.packages
    before = packages.selections()
    wishes: dict[str, Selection] = {}
    if path:
        content = context.call("cp.get_file_str", path, saltenv=saltenv)
        if content is False:
            raise UsageError(f"pkg.set_selections: there is no file {path}")
        pairs = [line.split() for line in str(content).splitlines() if line.strip()]
        given = [(pair[1], pair[0]) for pair in pairs if len(pair) == 2]
    elif isinstance(selection, dict):
        given = [
            (str(state), str(name))
            for state, names in selection.items()
            for name in ([names] if isinstance(names, str) else names)
        ]
    else:
        raise UsageError("pkg.set_selections: selection is a mapping of states to packages")
    for state, name in given:
        if state not in _STATES:
            raise UsageError(f"pkg.set_selections: {state!r} is none of {', '.join(_STATES)}")
        wishes[packages.normal_name(name)] = cast(Selection, state)
    if clear:
        for name in before:
            wishes.setdefault(name, "deinstall")
    changed = {name: wish for name, wish in wishes.items() if before.get(name) != wish}
    if changed:
        packages.select(changed)
    return {name: {"old": before.get(name), "new": wish} for name, wish in changed.items()}


def _names(name: Loose, pkgs: Loose, sources: Loose) -> list[str]:
    if name in (None, "") and pkgs is None and sources is None:
        raise UsageError("name a package, or several with pkgs or sources")
    return [each.name for each in wanted(name, None, pkgs, sources)]
