"""State functions by their public name: finding them, checking and handing over their arguments.

A Salt state module is the file `limpet/states/library/NAME.py` or a folder of that name; its
functions are those whose first parameter is called `context`. A module is imported when one of its
functions is first asked for. A run treats odd arguments as Salt does: it drops them, and the result
carries a warning where Salt's has one.
"""

import importlib
import inspect
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any, Final

from limpet.states.custom import using
from limpet.states.discovery import module_names
from limpet.states.functions.arguments import Signature, bind, did_you_mean, signature_of
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome

MODULES: Final = module_names(os.path.dirname(__file__), ("context", "registry", "tree"))
"""Salt's names of the state modules there are: the files and folders beside this one."""

RUNTIME_KEYWORDS: Final = frozenset(
    (
        "state", "fun", "order", "name_order", "check_cmd",
        "failhard", "onlyif", "unless", "creates",
        "retry", "parallel", "reload_modules", "reload_grains", "reload_pillar", "fire_event",
        "saltenv", "runas", "runas_password", "umask", "aggregate", "cmd_opts_exclude", "provider",
        "require", "require_any", "watch", "watch_any", "onchanges", "onchanges_any", "onfail",
        "onfail_any", "onfail_all", "onfail_stop", "prereq", "prereq_any", "listen", "use",
        "require_in", "watch_in", "onchanges_in", "onfail_in", "prereq_in", "listen_in", "use_in",
        "__id__", "__sls__", "__env__",
    )
)  # fmt: skip
"""What the runner itself understands in a chunk: never an odd argument."""


@dataclass(frozen=True, slots=True)
class StateFunction:
    """One state function."""

    name: str
    """The public name, `file.managed`."""
    implementation: Callable[..., Outcome]
    signature: Signature
    documentation: str

    def missing(self, chunk: Mapping[str, Any]) -> list[str]:
        """Name the arguments that must be given and are not."""
        return [
            each.name
            for each in self.signature.parameters
            if each.is_required and each.name not in chunk
        ]

    def odd(self, chunk: Mapping[str, Any]) -> list[str]:
        """Name the arguments that the function does not know."""
        known = {*self.signature.names, *RUNTIME_KEYWORDS}
        return [key for key in chunk if key not in known and not key.startswith("__")]


def names() -> list[str]:
    """Give the public names of all state functions, sorted. Imports every module."""
    return sorted(f"{module}.{name}" for module in modules() for name in functions_of(module))


def modules() -> list[str]:
    """Give the names of all state modules, the shop's own among them, sorted."""
    custom = using.used()
    return sorted({*MODULES, *(custom.states() if custom is not None else ())})


def functions_of(module: str) -> Mapping[str, StateFunction]:
    """Give a module's functions by their name within it; empty for an unknown module.

    Those of a shop's own module of that name come with them, and go before them.
    """
    custom = using.used()
    own = _own_functions_of(module)
    return own if custom is None else {**own, **custom.states().get(module, {})}


@cache
def _own_functions_of(module: str) -> Mapping[str, StateFunction]:
    if module not in MODULES:
        return {}
    loaded = importlib.import_module(f"limpet.states.library.{module}")
    found: dict[str, StateFunction] = {}
    for attribute, value in sorted(vars(loaded).items()):
        if attribute.startswith("_") or not _is_state_function(value, loaded.__name__):
            continue
        public = attribute.removesuffix("_")
        found[public] = StateFunction(
            f"{module}.{public}", value, signature_of(value), inspect.getdoc(value) or ""
        )
    return found


def find(name: str) -> StateFunction | None:
    """Give a state function by its public name, or None. Imports its module."""
    module, _, function = name.partition(".")
    return functions_of(module).get(function.removesuffix("_"))


def has_mod_watch(module: str) -> bool:
    """Say whether a watch on such a state triggers something; else it is a require."""
    return "mod_watch" in functions_of(module)


def meant(name: str) -> str:
    """Give `; did you mean 'file.managed'?` for a name that is nearly right, else nothing."""
    custom = using.used()
    reason = custom.why_not("states", name.partition(".")[0]) if custom is not None else ""
    return reason or did_you_mean(name, names())


def call(function: StateFunction, context: StateContext, chunk: Mapping[str, Any]) -> Outcome:
    """Call a state function with the arguments that stand in its chunk.

    Raises `UsageError` for values of a wrong type; what the function raises passes through.
    """
    signature = function.signature
    takes_all = signature.takes_more_keyword
    arguments = {
        key: value
        for key, value in chunk.items()
        if key in signature.names or (takes_all and not key.startswith("__"))
    }
    values, named = bind(function.name, signature, [], arguments, is_strict=False)
    return function.implementation(context, *values, **named)


def _is_state_function(value: object, module: str) -> bool:
    """Say whether it is a function of that module, not one that the module has imported."""
    if not inspect.isfunction(value) or not f"{value.__module__}.".startswith(f"{module}."):
        return False
    parameters = inspect.signature(value).parameters
    return next(iter(parameters), "") == "context"
