"""`publish.*`: commands of one minion to others. Minions may not command: nobody answers."""

from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose


def publish(
    context: FunctionContext,
    tgt: Loose,
    fun: Loose,
    arg: Loose = None,
    tgt_type: str = "glob",
    returner: str = "",
    timeout: float = 5,
    via_master: str | None = None,
) -> dict[str, Any]:
    """Give the answers of other minions: none, as a minion may not command others.

    CLI Example: limpet run web1 publish.publish '*' network.ip_addrs
    """
    return {}


def full_data(
    context: FunctionContext,
    tgt: Loose,
    fun: Loose,
    arg: Loose = None,
    tgt_type: str = "glob",
    returner: str = "",
    timeout: float = 5,
) -> dict[str, Any]:
    """Give the answers of other minions with their details: none.

    CLI Example: limpet run web1 publish.full_data '*' network.ip_addrs
    """
    return {}


def runner(context: FunctionContext, fun: str, arg: Loose = None, timeout: float = 5) -> Loose:
    """Refuse: there are no runners; what they do, `limpet` does on the master.

    CLI Example: limpet run web1 publish.runner manage.down
    """
    raise HostError(
        f"publish.runner: a minion can't have the master run {fun!r}; docs/from-salt.md says what "
        "to use instead"
    )
