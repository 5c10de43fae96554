"""Execution functions by their public name: finding, checking arguments, calling.

A Salt module is the file `limpet/states/functions/NAME.py` (or a folder of that name); its
functions are those whose first parameter is called `context`. A trailing underscore that Python
needs (`test.true_`) is not part of the public name, as in Salt. A module is imported when one of
its functions is first asked for, never before.
"""

import difflib
import importlib
import inspect
import os
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cache
from typing import Any, Final

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext
from limpet.states.custom import using
from limpet.states.discovery import module_names
from limpet.states.functions.arguments import Signature, bind, signature_of

MODULES: Final = module_names(os.path.dirname(__file__), ("arguments", "instant", "registry"))
"""Salt's names of the modules there are: the files and folders beside this one."""


@dataclass(frozen=True, slots=True)
class Function:
    """One execution function."""

    name: str
    """The public name, `test.ping`."""
    implementation: Callable[..., Any]
    signature: Signature
    documentation: str
    """The docstring, without its indentation."""

    @property
    def usage(self) -> str:
        """One line that shows how the function is called."""
        return self.signature.usage(self.name)

    @property
    def whole_usage(self) -> str:
        """How it is called, with all that it can be told."""
        return self.signature.whole_usage(self.name)


def names() -> list[str]:
    """Give the public names of all functions, sorted. Imports every module."""
    return sorted(f"{module}.{name}" for module in modules() for name in functions_of(module))


def modules() -> list[str]:
    """Give the names of all modules, the shop's own among them, sorted."""
    custom = using.used()
    return sorted({*MODULES, *(custom.functions() if custom is not None else ())})


def functions_of(module: str) -> Mapping[str, Function]:
    """Give a module's functions by their name within it; empty for an unknown module.

    Those of a shop's own module of that name come with them, and go before them.
    """
    custom = using.used()
    own = _own_functions_of(module)
    return own if custom is None else {**own, **custom.functions().get(module, {})}


@cache
def _own_functions_of(module: str) -> Mapping[str, Function]:
    if module not in MODULES:
        return {}
    loaded = importlib.import_module(f"limpet.states.functions.{module}")
    found: dict[str, Function] = {}
    for attribute, value in sorted(vars(loaded).items()):
        if attribute.startswith("_") or not _is_execution_function(value, loaded.__name__):
            continue
        public = attribute.removesuffix("_")
        found[public] = Function(
            f"{module}.{public}", value, signature_of(value), inspect.getdoc(value) or ""
        )
    return found


def find(name: str) -> Function | None:
    """Give a function by its public name, or None. Imports its module."""
    module, _, function = name.partition(".")
    return functions_of(module).get(function.removesuffix("_"))


def did_you_mean(name: str) -> str:
    """Give `; did you mean 'test.ping'?` for a name that is nearly right, else nothing."""
    module, _, function = name.partition(".")
    if module in modules():
        near = difflib.get_close_matches(function, functions_of(module), n=1, cutoff=0.5)
        if near:
            return f"; did you mean '{module}.{near[0]}'?"
    near = difflib.get_close_matches(name, names(), n=1, cutoff=0.75)
    return f"; did you mean {near[0]!r}?" if near else ""


def unknown(name: str) -> str:
    """Say in one line that there is no such function, and which may have been meant."""
    custom = using.used()
    reason = custom.why_not("modules", name.partition(".")[0]) if custom is not None else ""
    return f"'{name}' is not available{reason or did_you_mean(name)} (all of them: limpet doc)"


def call(
    name: str,
    positional: Iterable[Any],
    keyword: Mapping[str, Any],
    context: FunctionContext,
) -> Any:  # noqa: ANN401
    """Call a function with loose arguments and give its value.

    Keywords that begin with two underscores are bookkeeping and dropped. Raises `UsageError` where
    the function or an argument is unknown, missing or of the wrong type, or the administrator
    refuses the function; `HostError` where the machine refused. Whatever else a function raises is
    its own mistake and passes through, as does what `test.exception` raises: the job boundary
    reports it.
    """
    function = find(name)
    if function is None:
        raise UsageError(unknown(name))
    refused = refusal(function, context.configuration)
    if refused:
        raise UsageError(refused)
    values, named = bind(
        function.name, function.signature, positional, keyword, is_strict=context.is_published
    )
    try:
        return function.implementation(context, *values, **named)
    except OSError as error:
        place = f" {error.filename}" if error.filename else ""
        raise HostError(f"{function.name}:{place} {error.strerror or error}") from error


def refusal(function: Function, configuration: Mapping[str, Any]) -> str:
    """Say that the administrator of the host refuses a function (`refuse`); empty: he does not.

    All calls pass here, those of templates and of `module.run` too.
    """
    for pattern in configuration.get("refuse") or ():
        if fnmatchcase(function.name, pattern):
            return f"'{function.name}' is refused by this minion: `refuse` has {pattern!r}"
    return ""


def _is_execution_function(value: object, module: str) -> bool:
    """Say whether it is a function of that module, not one that the module has imported."""
    if not inspect.isfunction(value) or not f"{value.__module__}.".startswith(f"{module}."):
        return False
    parameters = inspect.signature(value).parameters
    return next(iter(parameters), "") == "context"
