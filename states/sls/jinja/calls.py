"""Execution functions as templates call them: `salt['mod.fun'](…)` and `salt.mod.fun(…)`.

Filters that need the machine (`which`, `file_hashsum`, `http_query`, …) are such calls too.
"""

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, Protocol

import jinja2
from jinja2.runtime import Context

_ALIASES: Final = {"cmd.run": "cmd.shell"}
"""In a template a command takes a shell, as in Salt: there `cmd.run` is `cmd.shell`."""


class Functions(Protocol):
    """The execution functions that there are, by public name."""

    def __contains__(self, name: object) -> bool:
        """Say whether there is such a function."""
        ...

    def names(self) -> list[str]:
        """List all functions."""
        ...

    def call(self, name: str, positional: list[Any], keyword: dict[str, Any]) -> Any:  # noqa: ANN401
        """Call one. Raises what the function raises."""
        ...


class NoFunctions:
    """Stands where a template is rendered without a machine."""

    def __contains__(self, name: object) -> bool:
        """There is none."""
        return False

    def names(self) -> list[str]:
        """Give no names."""
        return []

    def call(self, name: str, positional: list[Any], keyword: dict[str, Any]) -> Any:  # noqa: ANN401
        """Raise `KeyError`."""
        raise KeyError(name)


class SaltFunctions(Mapping[str, Callable[..., Any]]):
    """The variable `salt` of templates: a mapping, and by attribute one module after another."""

    __slots__ = ("_functions",)

    def __init__(self, functions: Functions) -> None:
        self._functions = functions

    def __getitem__(self, name: str) -> Callable[..., Any]:
        known = name if name in self._functions else _ALIASES.get(name, name)
        if known not in self._functions:
            raise KeyError(name)
        called = _ALIASES.get(name, name)
        called = called if called in self._functions else known
        functions = self._functions

        def function(*positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
            return functions.call(called, list(positional), keyword)

        function.__name__ = name
        return function

    def __contains__(self, name: object) -> bool:
        return name in self._functions

    def __iter__(self) -> Iterator[str]:
        return iter(self._functions.names())

    def __len__(self) -> int:
        return len(self._functions.names())

    def __getattr__(self, module: str) -> "SaltModule":
        if module.startswith("__") or "." in module:
            raise AttributeError(module)
        return SaltModule(self, module)


class SaltModule:
    """One module of functions, by attribute."""

    __slots__ = ("_functions", "_name")

    def __init__(self, functions: SaltFunctions, name: str) -> None:
        self._functions = functions
        self._name = name

    def __getattr__(self, function: str) -> Callable[..., Any]:
        if function.startswith("__"):
            raise AttributeError(function)
        try:
            return self._functions[f"{self._name}.{function}"]
        except KeyError as error:
            raise AttributeError(f"{self._name}.{function}") from error


_BY_CALL: Final = {
    "dns_check": "network.dns_check",
    "file_hashsum": "file.get_hash",
    "get_uid": "file.user_to_uid",
    "http_query": "http.query",
    "is_bin_file": "file.is_binary",
    "is_empty": "file.is_empty",
    "is_text_file": "file.is_text",
    "list_files": "file.list_files",
    "which": "cmd.which",
}
"""Filters that ask the machine, and the function that answers."""


def filters_by_call(functions: Functions) -> dict[str, Callable[..., Any]]:
    """Give the filters whose answer an execution function has.

    They see the context, so that Jinja does not ask when it compiles, once for all renderings.
    """

    def asking(name: str) -> Callable[..., Any]:
        @jinja2.pass_context
        def ask(_context: Context, *positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
            return functions.call(name, list(positional), keyword)

        return ask

    return {filter_name: asking(name) for filter_name, name in _BY_CALL.items()}
