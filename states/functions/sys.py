"""`sys.*`: which functions there are, what they do and take."""

import fnmatch
from typing import Any

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose
from limpet.states.functions import registry


def doc(context: FunctionContext, *args: str) -> dict[str, str]:
    """Give the documentation of functions: all, those of a module, one, or those of a glob.

    CLI Example: limpet run '*' sys.doc cmd.run
    """
    return {
        name: found.documentation
        for name in _chosen(args)
        if (found := registry.find(name)) is not None
    }


def argspec(context: FunctionContext, module: str = "") -> dict[str, Any]:
    """Give the arguments of functions and their defaults: all, those of a module, or one.

    CLI Example: limpet run '*' sys.argspec cmd.run
    """
    found: dict[str, Any] = {}
    for name in _chosen((module,) if module else ()):
        function = registry.find(name)
        assert function is not None
        signature = function.signature
        defaults = [each.default for each in signature.parameters if not each.is_required]
        found[name] = {
            "args": signature.names or None,
            "defaults": defaults or None,
            "varargs": True if signature.takes_more_positional else None,
            "kwargs": True if signature.takes_more_keyword else None,
        }
    return found


def list_functions(context: FunctionContext, *args: str, **_odd: Loose) -> list[str]:
    """Give the names of functions: all, or those of modules or globs.

    CLI Example: limpet run '*' sys.list_functions cmd 'grains.*'
    """
    return _chosen(args)


def list_modules(context: FunctionContext, *args: str) -> list[str]:
    """Give the names of modules: all, or those that fit a glob.

    CLI Example: limpet run '*' sys.list_modules 's*'
    """
    if not args:
        return sorted(registry.MODULES)
    return sorted(
        {
            module
            for module in registry.MODULES
            for pattern in args
            if fnmatch.fnmatchcase(module, str(pattern).split(".")[0])
        }
    )


def reload_modules(
    context: FunctionContext, initial_load: bool = False, context_name: Loose = None
) -> bool:
    """Do nothing and give true: functions belong to the installed release, and jobs see it anew.

    CLI Example: limpet run '*' sys.reload_modules
    """
    return True


def _chosen(patterns: tuple[str, ...]) -> list[str]:
    """Give the public names that fit; each pattern is a module, a function, or a glob of either."""
    every = registry.names()
    if not patterns:
        return every
    found: set[str] = set()
    for pattern in (str(each) for each in patterns):
        if "*" in pattern or "?" in pattern or "[" in pattern:
            fitting = fnmatch.filter(every, pattern if "." in pattern else f"{pattern}.*")
        else:
            wanted = pattern.rstrip(".").removesuffix("_")
            fitting = [name for name in every if name == wanted or name.startswith(f"{wanted}.")]
        if not fitting and len(patterns) == 1:
            raise UsageError(registry.unknown(pattern))
        found.update(fitting)
    return sorted(found)
