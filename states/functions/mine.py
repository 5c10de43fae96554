"""`mine.*`: data that minions share. There is no mine yet: nothing is shared, so nothing is found.

`mine.get` gives nothing, so that templates which look for other minions render.
"""

from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose


def get(
    context: FunctionContext,
    tgt: Loose,
    fun: Loose,
    tgt_type: str = "glob",
    exclude_minion: bool = False,
) -> dict[str, Any]:
    """Give what minions share of a function: nothing, as there is no mine yet.

    CLI Example: limpet run '*' mine.get '*' network.interfaces
    """
    return {}


def valid(context: FunctionContext) -> dict[str, Any]:
    """Give the functions that this minion shares: none.

    CLI Example: limpet run '*' mine.valid
    """
    return {}


def update(context: FunctionContext, clear: bool = False, mine_functions: Loose = None) -> bool:
    """Refuse: there is no mine yet.

    CLI Example: limpet run '*' mine.update
    """
    raise _refusal("update")


def send(context: FunctionContext, name: str, *args: Loose, **kwargs: Loose) -> bool:
    """Refuse: there is no mine yet.

    CLI Example: limpet run '*' mine.send network.ip_addrs eth0
    """
    raise _refusal("send")


def delete(context: FunctionContext, fun: str) -> bool:
    """Refuse: there is no mine yet.

    CLI Example: limpet run '*' mine.delete network.ip_addrs
    """
    raise _refusal("delete")


def flush(context: FunctionContext) -> bool:
    """Refuse: there is no mine yet.

    CLI Example: limpet run '*' mine.flush
    """
    raise _refusal("flush")


def _refusal(function: str) -> HostError:
    return HostError(
        f"mine.{function}: minions share no data yet; docs/from-salt.md says what to use instead"
    )
