"""What the command line knows of a function before it asks the master.

A wrong argument is told at once instead of by every minion. A function that this release does not
know is sent all the same: minions may know more.
"""

from typing import Any

from limpet.common.errors import UsageError
from limpet.common.identifiers import FUNCTION_PATTERN


def check_call(function: str, positional: list[Any], keyword: dict[str, Any]) -> str:
    """Check a call as far as the function is known here; give a warning, or nothing.

    Raises `UsageError` that names the function and the argument.
    """
    if not FUNCTION_PATTERN.match(function):
        raise UsageError(
            f"{function[:80]!a} is not the name of a function: module.function is expected, as in "
            "test.ping"
        )
    from limpet.states.functions.instant import INSTANT

    instant = INSTANT.get(function)
    if instant is not None:
        instant(positional, keyword)  # without side effects, and instant
        return ""
    from limpet.states.functions import registry
    from limpet.states.functions.arguments import bind

    known = registry.find(function)
    if known is None:
        hint = registry.did_you_mean(function)
        return f"{function} is not a function of this release{hint}" if hint else ""
    bind(known.name, known.signature, positional, keyword, is_strict=True)
    return ""
