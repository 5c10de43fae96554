"""The adapter for modules in Salt's style: the names that Salt puts into a module, and its calls.

A module sees `__salt__`, `__grains__`, `__pillar__`, `__opts__`, `__context__`, `__utils__` and
`__states__` as mappings that look at the call that is going on; nothing is loaded before it is
looked at.
"""

from collections.abc import Callable, Iterator, Mapping, MutableMapping
from dataclasses import dataclass, field
from types import ModuleType
from typing import Any, Final, Protocol

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome

SALT_VERSION: Final = "3008.3"
"""What `__salt_version__`-like questions are answered: the release whose language is spoken."""


@dataclass(slots=True)
class LoaderContext:
    """What the modules of one process see now; set around each call."""

    functions: FunctionContext | None = None
    state: StateContext | None = None
    options: dict[str, Any] | None = None
    of_options: FunctionContext | None = None
    """Of whom `options` was made."""
    context: dict[str, Any] = field(default_factory=dict)

    def now(self) -> FunctionContext:
        """Give the call that is going on. Raises `HostError` outside of any."""
        if self.functions is None:
            raise HostError("a module asks for its minion outside of a call")
        return self.functions


class CallsFunctions(Mapping[str, Callable[..., Any]]):
    """`__salt__`: execution functions by name; also `__salt__.cmd.run`."""

    def __init__(self, loader: LoaderContext) -> None:
        self._loader = loader

    def __getitem__(self, name: str) -> Callable[..., Any]:
        from limpet.states.functions import registry

        if registry.find(name) is None:
            raise KeyError(name)

        def call(*positional: Loose, **keyword: Loose) -> Loose:
            return self._loader.now().call(name, *positional, **keyword)

        call.__name__ = name
        return call

    def __contains__(self, name: object) -> bool:
        from limpet.states.functions import registry

        return isinstance(name, str) and registry.find(name) is not None

    def __iter__(self) -> Iterator[str]:
        from limpet.states.functions import registry

        return iter(registry.names())

    def __len__(self) -> int:
        return sum(1 for _ in self)

    def __getattr__(self, module: str) -> "_Module":
        if module.startswith("_"):
            raise AttributeError(module)
        return _Module(self, module)


class _Module:
    """`__salt__.cmd`."""

    def __init__(self, functions: Mapping[str, Callable[..., Any]], name: str) -> None:
        self._functions = functions
        self._name = name

    def __getattr__(self, function: str) -> Callable[..., Any]:
        try:
            return self._functions[f"{self._name}.{function}"]
        except KeyError as error:
            raise AttributeError(function) from error


class CallsStates(Mapping[str, Callable[..., Any]]):
    """`__states__`: state functions by name, each giving Salt's mapping."""

    def __init__(self, loader: LoaderContext) -> None:
        self._loader = loader

    def __getitem__(self, name: str) -> Callable[..., Any]:
        from limpet.states.library import registry

        function = registry.find(name)
        if function is None:
            raise KeyError(name)

        def call(*positional: Loose, **keyword: Loose) -> dict[str, Any]:
            context = self._loader.state
            if context is None:
                raise HostError(f"__states__['{name}'] is called outside of a state")
            chunk = {**dict(zip(function.signature.names, positional, strict=False)), **keyword}
            return registry.call(function, context, chunk).data(chunk.get("name"))

        return call

    def __iter__(self) -> Iterator[str]:
        from limpet.states.library import registry

        return iter(registry.names())

    def __len__(self) -> int:
        return sum(1 for _ in self)


class LooksUp(MutableMapping[str, Any]):
    """A mapping that is fetched when it is looked at: `__grains__`, `__pillar__`, `__opts__`."""

    def __init__(self, fetch: Callable[[], Mapping[str, Any]]) -> None:
        self._fetch = fetch

    def __getitem__(self, key: str) -> Any:  # noqa: ANN401
        return self._fetch()[key]

    def __setitem__(self, key: str, value: Any) -> None:  # noqa: ANN401
        self._writable()[key] = value

    def __delitem__(self, key: str) -> None:
        del self._writable()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self._fetch())

    def __len__(self) -> int:
        return len(self._fetch())

    def __repr__(self) -> str:
        return repr(self._fetch())

    def copy(self) -> dict[str, Any]:
        """Give a plain copy."""
        return dict(self._fetch())

    def _writable(self) -> MutableMapping[str, Any]:
        found = self._fetch()
        if not isinstance(found, MutableMapping):
            raise TypeError("this mapping can't be changed")
        return found


class Utilities(Protocol):
    """Gives the functions of `_utils` by name."""

    def __call__(self) -> Mapping[str, Callable[..., Any]]:
        """Give them."""
        ...


def names_of_salt(loader: LoaderContext, utilities: Utilities) -> dict[str, Any]:
    """Give the names that stand in a module of Salt's style before its own code runs."""

    def options() -> dict[str, Any]:
        return _options(loader)

    return {
        "__salt__": CallsFunctions(loader),
        "__states__": CallsStates(loader),
        "__utils__": LooksUp(lambda: utilities()),
        "__grains__": LooksUp(lambda: loader.now().grains),
        "__pillar__": LooksUp(lambda: loader.now().pillar),
        "__opts__": LooksUp(options),
        "__context__": loader.context,
        "__env__": LooksUp(options),
        "__low__": LooksUp(lambda: {} if loader.state is None else loader.state.low),
        "__running__": LooksUp(lambda: {} if loader.state is None else loader.state.running),
        "__proxy__": {},
        "__runner__": {},
        "__sdb__": {},
        "__ret__": {},
        "__instance_id__": "limpet",
    }


def _options(loader: LoaderContext) -> dict[str, Any]:
    context = loader.now()
    if loader.options is None or loader.of_options is not context:
        loader.options = _made_options(context)
        loader.of_options = context
    loader.options["test"] = (
        loader.state.is_test if loader.state is not None else loader.options.get("test", False)
    )
    return loader.options


def _made_options(context: FunctionContext) -> dict[str, Any]:
    from limpet.states.compiler.options import salt_options
    from limpet.states.fileroots.choosing import cache_directory, configured_roots

    return salt_options(
        context.configuration,
        minion_id=context.minion_id,
        file_roots=configured_roots(context, "file_roots"),
        pillar_roots=configured_roots(context, "pillar_roots"),
        cache_directory=cache_directory(context),
        is_local=context.sources is None,
        grains=context.grains,
    )


def virtual_name(module: ModuleType, name: str) -> tuple[str | None, str]:
    """Ask a module whether it is for this host: its name, or None and why not."""
    named = str(getattr(module, "__virtualname__", name))
    ask = getattr(module, "__virtual__", None)
    if ask is None:
        return named, ""
    answer = ask()
    reason = f"its __virtual__ says {answer!r}"
    if isinstance(answer, tuple):
        reason = str(answer[1]) if len(answer) > 1 else reason
        answer = answer[0]
    if answer is True:
        return named, ""
    return (answer, "") if isinstance(answer, str) and answer else (None, reason)


def outcome_of(value: object) -> Outcome:
    """Turn what a state function in Salt's style gives into an outcome.

    Raises `MalformedReturn` where it is no result.
    """
    if not isinstance(value, Mapping):
        raise MalformedReturn("Malformed state return. Data must be a dictionary type.")
    missing = [key for key in ("name", "result", "changes", "comment") if key not in value]
    if missing:
        raise MalformedReturn(
            f"The following keys were not present in the state return: {','.join(missing)}"
        )
    if not isinstance(value["changes"], Mapping):
        raise MalformedReturn("'Changes' should be a dictionary.")
    known = ("name", "result", "changes", "comment", "warnings", "skip_watch")
    comment = value["comment"]
    warnings = value.get("warnings") or ()
    return Outcome(
        value["result"],
        comment if isinstance(comment, str | list) else str(comment),
        value["changes"],
        name=value["name"],
        warnings=tuple(warnings) if isinstance(warnings, list | tuple) else (str(warnings),),
        is_skipping_watch=bool(value.get("skip_watch")),
        more={key: each for key, each in value.items() if key not in known},
    )


class MalformedReturn(HostError):
    """A state function gave something that is no result."""
