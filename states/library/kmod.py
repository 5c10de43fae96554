"""The `kmod` states: modules of the kernel are loaded or not."""

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.functions.kmod import same
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def present(
    context: StateContext,
    name: str,
    persist: bool = False,
    mods: list[str] | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that modules are loaded, with `persist` from boot on."""
    wanted = mods or [name]
    try:
        missing = [each for each in wanted if not _is_there(context, each, persist)]
        if not missing:
            return Outcome(True, f"Kernel {_told(wanted)} already present")
        if context.is_test:
            return Outcome(None, f"Kernel {_told(missing)} set to be loaded")
        unknown = [each for each in missing if not context.call("kmod.check_available", each)]
        unknown = [each for each in unknown if not context.call("kmod.is_loaded", each)]
        if unknown:
            return failed(f"Kernel {_told(unknown)} unavailable")
        found = {m for each in missing for m in context.call("kmod.load", each, persist)}
    except HostError as error:
        return failed(f"Failed to load kernel {_told(wanted).rpartition(' ')[0]}: {error}")
    noun = "module" if len(missing) == 1 else "modules"
    return Outcome(
        True, f"Loaded kernel {noun} {', '.join(missing)}", dict.fromkeys(sorted(found), "loaded")
    )


def absent(
    context: StateContext,
    name: str,
    persist: bool = False,
    comment: bool = True,
    mods: list[str] | None = None,
    **_odd: Loose,
) -> Outcome:
    """See to it that modules are not loaded, with `persist` at boot neither."""
    unwanted = mods or [name]
    try:
        there = [each for each in unwanted if _is_anywhere(context, each, persist)]
        if not there:
            return Outcome(True, f"Kernel {_told(unwanted)} already removed")
        if context.is_test:
            return Outcome(None, f"Kernel {_told(there)} set to be removed")
        gone = {m for each in there for m in context.call("kmod.remove", each, persist, comment)}
    except HostError as error:
        return failed(f"Failed to remove kernel {_told(unwanted).rpartition(' ')[0]}: {error}")
    noun = "module" if len(there) == 1 else "modules"
    return Outcome(
        True, f"Removed kernel {noun} {', '.join(there)}", dict.fromkeys(sorted(gone), "removed")
    )


def _told(mods: list[str]) -> str:
    if len(mods) == 1:
        return f"module {mods[0]} is"
    return f"modules {', '.join(mods)} are"


def _is_there(context: StateContext, mod: str, persist: bool) -> bool:
    is_loaded = same(mod) in context.call("kmod.mod_list")
    return is_loaded and (not persist or mod in context.call("kmod.mod_list", True))


def _is_anywhere(context: StateContext, mod: str, persist: bool) -> bool:
    is_loaded = same(mod) in context.call("kmod.mod_list")
    return is_loaded or (persist and mod in context.call("kmod.mod_list", True))
