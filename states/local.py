"""Execution functions without a master and without a minion: `limpet call --local`.

The configuration is `minion.yaml` of the place: `grains`, `file_roots`, `pillar_roots`, `custom`.
Nothing is sent anywhere, and nothing of the minion's state is changed.
"""

from collections.abc import Callable, Iterable, Mapping
from typing import Any

import msgspec

from limpet.common.errors import HostError, LimpetError
from limpet.common.service.paths import Roots
from limpet.common.settings.minion import MinionConfiguration, load_minion
from limpet.common.settings.minion_identity import HostNames, find_minion_id, guess_minion_id
from limpet.states.context import FunctionContext, Loose, Places
from limpet.states.functions import registry
from limpet.states.host.machine import ThisMachine


def call_local(
    root: str | None,
    function: str,
    positional: Iterable[Any],
    keyword: Mapping[str, Any],
    *,
    stream: Callable[[bytes], None] | None = None,
) -> tuple[Loose, int]:
    """Call a function on this host; give its value and its retcode.

    `root` is that of `--root`; None: `$LIMPET_ROOT` or the system's places. `stream` is handed live
    output. Raises `UsageError` for a wrong call or configuration, `HostError` where the function
    failed with an exception.
    """
    context = local_context(root)
    if stream is not None:
        context.stream = stream
    try:
        value = registry.call(function, positional, keyword, context)
    except LimpetError:
        raise
    except (
        Exception
    ) as error:  # the job boundary of a local call: told as a failure of the function
        raise HostError(f"{function} failed: {type(error).__name__}: {error}") from error
    return value, context.retcode_of(value)


def local_context(root: str | None) -> FunctionContext:
    """Give what functions are handed in a local call. Raises `UsageError`, `SourceError`."""
    roots = Roots.locate("minion", root)
    configuration = load_minion(roots)
    return FunctionContext(
        minion_id=_minion_id(roots, configuration),
        host=ThisMachine(),
        places=Places.of(roots),
        configuration=msgspec.to_builtins(configuration),
    )


def _minion_id(roots: Roots, configuration: MinionConfiguration) -> str:
    """Give the id that the minion has, or would find at its first start; none is written down."""
    if configuration.id is not None:
        return configuration.id
    if (roots.state_dir / "minion_id").is_file():
        return find_minion_id(roots.state_dir, None).minion
    return guess_minion_id(HostNames()).minion
