"""`service.masked` and `service.unmasked`."""

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def masked(context: StateContext, name: str, runtime: bool = False, **_odd: Loose) -> Outcome:
    """See to it that nobody can start a service, with `runtime` until the next boot."""
    return _set(context, name, True, runtime)


def unmasked(context: StateContext, name: str, runtime: bool = False, **_odd: Loose) -> Outcome:
    """See to it that a service can be started."""
    return _set(context, name, False, runtime)


def _set(context: StateContext, name: str, is_wanted: bool, runtime: bool) -> Outcome:
    if context.host.services.kind != "systemd":
        return failed("Service masking not available on this minion")
    word = "runtime masked" if runtime else "masked"
    done = ("runtime " if runtime else "") + ("masked" if is_wanted else "unmasked")
    if context.call("service.masked", name, runtime) == is_wanted:
        again = "is" if is_wanted else "was"
        return Outcome(True, f"Service {name} {again} already {done}")
    changes = {word: {"old": not is_wanted, "new": is_wanted}}
    if context.is_test:
        return Outcome(None, f"Service {name} would be {done}", changes)
    verb = "mask" if is_wanted else "unmask"
    try:
        context.call(f"service.{verb}", name, runtime)
    except HostError as error:
        return failed(str(error))
    if context.call("service.masked", name, runtime) != is_wanted:
        return failed(f"Failed to {verb} service {name}")
    return Outcome(True, f"Service {name} was {done}", changes)
