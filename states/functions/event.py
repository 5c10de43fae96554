"""`event.*`: messages to whoever listens on the master. Minions have no such line yet.

An event is written to the minion's log, and the answer is false: nobody has heard it.
"""

import logging

from limpet.states.context import FunctionContext, Loose

_LOG = logging.getLogger("limpet.states")


def send(
    context: FunctionContext,
    tag: str,
    data: Loose = None,
    preload: Loose = None,
    with_env: Loose = False,
    with_grains: Loose = False,
    with_pillar: Loose = False,
    with_env_opts: Loose = False,
    **kwargs: Loose,
) -> bool:
    """Write an event to the minion's log; false, as the master does not hear it.

    CLI Example: limpet run web1 event.send myco/build/success '{build: 7}'
    """
    return _logged(tag, {**(data if isinstance(data, dict) else {}), **kwargs} or data)


def fire_master(context: FunctionContext, data: Loose, tag: str, preload: Loose = None) -> bool:
    """Write an event to the minion's log; false, as the master does not hear it.

    CLI Example: limpet run web1 event.fire_master '{data: my event}' tag
    """
    return _logged(tag, data)


def fire(context: FunctionContext, data: Loose, tag: str, timeout: Loose = None) -> bool:
    """Write an event to the minion's log; false, as there is nobody on the minion who listens.

    CLI Example: limpet run web1 event.fire '{data: my event}' tag
    """
    return _logged(tag, data)


def _logged(tag: str, data: Loose) -> bool:
    # Its data may hold what is secret: the tag alone stands in the log.
    keys = ", ".join(map(str, data)) if isinstance(data, dict) else type(data).__name__
    _LOG.info("event %s, which nobody hears (data: %s)", tag, keys)
    return False
