"""Bringing custom modules to the minion that a call belongs to, and using them from then on."""

from collections.abc import Iterable, Mapping

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext
from limpet.states.custom import using
from limpet.states.custom.folders import FOLDERS
from limpet.states.custom.syncing import sync
from limpet.states.fileroots.choosing import roots_of
from limpet.states.grains import loading


def bring(
    context: FunctionContext,
    kinds: Iterable[str],
    environments: Iterable[str],
    *,
    allowed: Mapping[str, Iterable[str]] | None = None,
    denied: Mapping[str, Iterable[str]] | None = None,
) -> dict[str, list[str]]:
    """Bring the modules of these kinds here; give those that changed. Raises `HostError`.

    What changed is used at once; new grains are seen when grains are next asked for.
    """
    if not using.is_allowed(context.configuration):
        raise HostError(
            f"`allow_code_sync: false` in {context.places.configuration_file}: modules of the file "
            "roots are not brought here"
        )
    changed = sync(
        kinds, roots_of(context), environments, context.places, allowed=allowed, denied=denied
    )
    if any(changed.values()) or using.used() is None:
        using.use(context.places)
    if changed.get("grains"):
        loading.forget(context.places)
        context.forget_grains()
    return changed


def bring_for_a_run(context: FunctionContext, saltenv: str | None) -> None:
    """Bring all that a run of states may use, unless the configuration says otherwise.

    Salt's key for it is `autoload_dynamic_modules`. Raises `HostError`.
    """
    is_allowed = using.is_allowed(context.configuration)
    if is_allowed and context.configured("autoload_dynamic_modules", True):
        bring(context, FOLDERS, [saltenv or "base"])
