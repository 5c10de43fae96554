"""The execution functions of this minion as templates call them."""

from typing import Any

from limpet.states.context import FunctionContext
from limpet.states.functions import registry
from limpet.states.sls import limits


class ContextFunctions:
    """The registry's functions, called in one context; a template is no person who calls."""

    def __init__(self, context: FunctionContext) -> None:
        self._context = context

    def __contains__(self, name: object) -> bool:
        """Say whether there is such a function; its module is imported for that."""
        return isinstance(name, str) and registry.find(name) is not None

    def names(self) -> list[str]:
        """List all functions. Imports every module."""
        return registry.names()

    def call(self, name: str, positional: list[Any], keyword: dict[str, Any]) -> Any:  # noqa: ANN401
        """Call one. Raises `UsageError` for wrong arguments, `HostError` for failures."""
        retcode = self._context.retcode
        try:
            with limits.outside():
                return self._context.call(name, *positional, **keyword)
        finally:
            self._context.retcode = retcode  # what a template asks decides nothing about the job
