"""Execution functions without a master and without a minion: `limpet call --local`.

The configuration is `minion.yaml` of the place: `grains`, `file_roots`, `pillar_roots`, `custom`.
Nothing is sent anywhere, and nothing of the minion's state is changed.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from limpet.common.errors import HostError, LimpetError
from limpet.common.service.paths import Roots
from limpet.common.settings.minion import load_minion
from limpet.states.context import FunctionContext, Loose, Places
from limpet.states.custom import using
from limpet.states.functions import registry
from limpet.states.host.machine import ThisMachine
from limpet.states.local.identity import minion_id_of
from limpet.states.pillar import job


def call_local(
    root: str | None,
    function: str,
    positional: Iterable[Any],
    keyword: Mapping[str, Any],
    *,
    stream: Callable[[bytes], None] | None = None,
    jid: str = "",
) -> tuple[Loose, int]:
    """Call a function on this host; give its value and its retcode.

    `root` is that of `--root`; None: `$LIMPET_ROOT` or the system's places. `stream` is handed live
    output, with how far a run of states is; `jid` names such a run (empty: it gets an id of its
    own). Raises `UsageError` for a wrong call or configuration, `HostError` where the function
    failed with an exception.
    """
    context = local_context(root)
    context.jid = jid
    if stream is not None:
        context.stream = stream
        context.is_followed = True
    flush = job.prepare(context)
    using.use(context.places, context.configuration)
    try:
        value = registry.call(function, positional, keyword, context)
    except LimpetError as error:
        error.args = tuple(context.mask(each) for each in error.args)
        raise
    except (
        Exception
    ) as error:  # the job boundary of a local call: told as a failure of the function
        told = context.mask(f"{function} failed: {type(error).__name__}: {error}")
        raise HostError(told) from error
    finally:
        flush()
    return context.mask(value), context.retcode_of(value)


def local_context(root: str | None) -> FunctionContext:
    """Give what functions are handed in a local call. Raises `UsageError`, `SourceError`."""
    roots = Roots.locate("minion", root)
    configuration = load_minion(roots)
    mapping: dict[str, Any] = msgspec.to_builtins(configuration)
    for secret in configuration.SECRETS:
        mapping.pop(secret, None)
    return FunctionContext(
        minion_id=minion_id_of(roots, configuration),
        host=ThisMachine(),
        places=Places.of(roots),
        configuration=mapping,
    )
