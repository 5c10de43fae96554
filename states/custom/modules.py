"""The custom modules of one minion: found, loaded when they are first asked for, and adapted.

A module that can't be loaded hurts nobody but who asks for it: that one is told why.
"""

import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from types import ModuleType
from typing import Any, Final

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.custom import salt_imports
from limpet.states.custom.salt_style import (
    LoaderContext,
    names_of_salt,
    outcome_of,
    virtual_name,
)
from limpet.states.discovery import module_names
from limpet.states.functions.arguments import Signature, signature_of
from limpet.states.functions.registry import Function
from limpet.states.library.context import StateContext
from limpet.states.library.registry import StateFunction
from limpet.states.outcome import Outcome

_PREFIX: Final = "limpet_custom"
_SALTS_CONTEXT: Final = "context"
"""A function whose first parameter is called so is in limpet's plain style."""


class CustomModules:
    """What lies in one directory of custom modules. `limpet.states.custom.using` makes it known."""

    def __init__(self, directory: Path) -> None:
        self._directory = directory
        self._loader = LoaderContext()
        self._loaded: dict[str, list[ModuleType]] = {}
        self._functions: dict[str, dict[str, Function]] | None = None
        self._states: dict[str, dict[str, StateFunction]] | None = None
        self._utilities: dict[str, Callable[..., Any]] | None = None
        self.problems: dict[str, str] = {}
        """Why a module is not there, by `modules.name`."""

    def functions(self) -> Mapping[str, Mapping[str, Function]]:
        """Give the execution functions, by module and name."""
        if self._functions is None:
            self._functions = {}
            for module, name, value in self._public("modules"):
                self._functions.setdefault(module, {})[name] = self._function(module, name, value)
        return self._functions

    def states(self) -> Mapping[str, Mapping[str, StateFunction]]:
        """Give the state functions, by module and name."""
        if self._states is None:
            self._states = {}
            for module, name, value in self._public("states"):
                self._states.setdefault(module, {})[name] = self._state(module, name, value)
        return self._states

    def utilities(self) -> Mapping[str, Callable[..., Any]]:
        """Give the functions of `_utils` by their full names."""
        if self._utilities is None:
            self._utilities = {
                f"{module}.{name}": value for module, name, value in self._public("utils")
            }
        return self._utilities

    def grains(self, context: FunctionContext, facts: Mapping[str, Any]) -> dict[str, Any]:
        """Call all functions of `_grains` and give what they say; those that fail are left out.

        They see the facts that were collected before. What went wrong is in `problems`.
        """
        found: dict[str, Any] = {}
        seen = replace(context, load_grains=lambda _: {**facts, **found})
        seen.forget_grains()
        with self._in(seen):
            for module, name, value in self._public("grains"):
                try:
                    takes = inspect.signature(value).parameters
                    answer = value(grains=dict(facts)) if "grains" in takes else value()
                except Exception as error:  # noqa: BLE001 - one module must not cost all the grains
                    self.problems[f"grains.{module}"] = f"{name}: {_told(error)}"
                    continue
                if isinstance(answer, Mapping):
                    found.update(answer)
        return found

    def why_not(self, kind: str, module: str) -> str:
        """Give `; …` with the reason why such a module was not loaded, or nothing."""
        self._modules(kind)
        reason = self.problems.get(f"{kind}.{module}")
        return f"; {_folder(kind)}/{module}.py was not loaded: {reason}" if reason else ""

    def forget(self) -> None:
        """Look at the directory again when next asked: modules were brought or removed."""
        self._loaded.clear()
        self._functions = self._states = self._utilities = None
        self.problems.clear()

    @contextmanager
    def _in(self, functions: FunctionContext, state: StateContext | None = None) -> Iterator[None]:
        """Let modules see a call while it goes on."""
        loader = self._loader
        before = (loader.functions, loader.state)
        loader.functions, loader.state = functions, state or loader.state
        try:
            yield
        finally:
            loader.functions, loader.state = before

    def _function(self, module: str, name: str, value: Callable[..., Any]) -> Function:
        is_plain = _is_plain(value)

        def call(context: FunctionContext, *positional: Loose, **keyword: Loose) -> Loose:
            with self._in(context):
                first = (context,) if is_plain else ()
                return value(*first, *positional, **keyword)

        signature = signature_of(value) if is_plain else _signature(value)
        return Function(f"{module}.{name}", call, signature, inspect.getdoc(value) or "")

    def _state(self, module: str, name: str, value: Callable[..., Any]) -> StateFunction:
        is_plain = _is_plain(value)

        def call(context: StateContext, *positional: Loose, **keyword: Loose) -> Outcome:
            with self._in(context.functions, context):
                first = (context,) if is_plain else ()
                answer = value(*first, *positional, **keyword)
            return answer if isinstance(answer, Outcome) else outcome_of(answer)

        signature = signature_of(value) if is_plain else _signature(value)
        return StateFunction(f"{module}.{name}", call, signature, inspect.getdoc(value) or "")

    def _public(self, kind: str) -> Iterator[tuple[str, str, Callable[..., Any]]]:
        """Give module, name and value of each public function of a kind."""
        for module in self._modules(kind):
            renamed = getattr(module, "__func_alias__", {})
            offered = getattr(module, "__load__", None) or dir(module)
            for attribute in offered:
                value = getattr(module, attribute, None)
                if attribute.startswith("_") or not callable(value) or inspect.isclass(value):
                    continue
                name = renamed.get(attribute, attribute).removesuffix("_")
                yield module.__limpet_name__, name, value

    def _modules(self, kind: str) -> list[ModuleType]:
        if kind not in self._loaded:
            self._loaded[kind] = []
            directory = self._directory / kind
            if directory.is_dir():
                salt_imports.provide()
                for name in module_names(str(directory), ()):
                    module = self._load(kind, name, directory)
                    if module is not None:
                        self._loaded[kind].append(module)
        return self._loaded[kind]

    def _load(self, kind: str, name: str, directory: Path) -> ModuleType | None:
        path = directory / f"{name}.py"
        package = directory / name
        if not path.is_file():
            path = package / "__init__.py"
        full = f"{_PREFIX}.{kind}.{name}"
        specification = importlib.util.spec_from_file_location(
            full, path, submodule_search_locations=[str(package)] if package.is_dir() else None
        )
        assert specification is not None
        assert specification.loader is not None
        module = importlib.util.module_from_spec(specification)
        vars(module).update(names_of_salt(self._loader, self.utilities))
        sys.modules[full] = module
        is_writing, sys.dont_write_bytecode = sys.dont_write_bytecode, True
        try:
            specification.loader.exec_module(module)
            virtual, reason = virtual_name(module, name)
        except Exception as error:  # noqa: BLE001 - it is the shop's code: told to who asks for it
            self.problems[f"{kind}.{name}"] = _told(error)
            return None
        finally:
            sys.dont_write_bytecode = is_writing
        if virtual is None:
            self.problems[f"{kind}.{name}"] = reason
            return None
        vars(module)["__limpet_name__"] = virtual
        return module


def _is_plain(value: Callable[..., Any]) -> bool:
    try:
        return next(iter(inspect.signature(value).parameters), "") == _SALTS_CONTEXT
    except (TypeError, ValueError):
        return False


def _signature(value: Callable[..., Any]) -> Signature:
    """Read the arguments of a function in Salt's style: it takes whatever types it is given."""

    def without_context(_context: Loose) -> None: ...

    try:
        found = inspect.signature(value)
    except (TypeError, ValueError):  # built in another language: it checks for itself
        return Signature((), takes_more_positional=True, takes_more_keyword=True)
    first = inspect.Parameter("context", inspect.Parameter.POSITIONAL_ONLY)
    parameters = [
        each.replace(annotation=inspect.Parameter.empty) for each in found.parameters.values()
    ]
    without_context.__signature__ = found.replace(  # type: ignore[attr-defined]
        parameters=[first, *parameters], return_annotation=inspect.Signature.empty
    )
    return signature_of(without_context)


def _told(error: Exception) -> str:
    """Say where in the module it went wrong, and how."""
    if isinstance(error, SyntaxError):
        return f"line {error.lineno}: {error.msg}"
    if isinstance(error, HostError):
        return str(error)
    frames = traceback.extract_tb(error.__traceback__)
    line = f"line {frames[-1].lineno}: " if frames else ""
    return f"{line}{type(error).__name__}: {error}"


def _folder(kind: str) -> str:
    return f"_{kind}"
