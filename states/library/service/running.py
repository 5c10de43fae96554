"""`service.running` and `service.dead`."""

import dataclasses
from dataclasses import dataclass

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.library.service.boot import OFFLINE, at_boot, both, not_available
from limpet.states.outcome import Outcome, failed
from limpet.states.ports.services import Service

_DELAY_S_MAX = 3600.0


@dataclass(frozen=True, slots=True)
class RunningOptions:
    """Arguments of `service.running`."""

    name: str
    enable: bool | None = None
    """Started at boot too; None: whatever is."""
    sig: str | None = None
    """What the process table shows of it, where its script has no word on that."""
    init_delay: float | None = None
    """Seconds that pass after a start or stop before it is looked at."""
    no_block: bool = False
    unmask: bool = False
    unmask_runtime: bool = False
    reload: bool = False
    """For what is watched: reload it instead of a restart."""
    full_restart: bool = False
    """For what is watched: stop it and then start it."""
    force: bool = False
    """For what is watched: with `reload`, restart it where it knows no reload."""
    timeout: Loose = None
    """Taken and not needed: the service manager has a limit for each service."""


@dataclass(frozen=True, slots=True)
class DeadOptions:
    """Arguments of `service.dead`."""

    name: str
    enable: bool | None = None
    sig: str | None = None
    init_delay: float | None = None
    no_block: bool = False
    timeout: Loose = None


def running(context: StateContext, options: RunningOptions) -> Outcome:
    """See to it that a service runs, and with `enable` whether it is started at boot."""
    name = options.name
    before = context.host.services.look(name)
    if not before.is_available:
        return _absent(context, name, "started") or not_available(name)
    if offline := _offline(context, before):
        return offline
    if _runs(context, name, options.sig):
        outcome = _as_it_should(context, options, f"The service {name} is already running")
    elif context.is_test:
        outcome = Outcome(None, f"Service {name} is set to start")
    else:
        outcome = _started(context, options, before)
    return dataclasses.replace(
        outcome, comment=_and_the_mask(context, str(outcome.comment), options, before)
    )


def dead(context: StateContext, options: DeadOptions) -> Outcome:
    """See to it that a service does not run, and with `enable` whether it is started at boot."""
    name = options.name
    before = context.host.services.look(name)
    if not before.is_available:
        absent = Outcome(True, f"The named service {name} is not available")
        return _absent(context, name, "stopped") or absent
    if offline := _offline(context, before):
        return offline
    if not _runs(context, name, options.sig):
        return _as_it_should(context, options, f"The service {name} is already dead")
    if context.is_test:
        return Outcome(None, f"Service {name} is set to be killed")
    context.call("service.stop", name, no_block=options.no_block)
    _wait(context, options.init_delay)
    if _runs(context, name, options.sig) and not options.no_block:
        still = failed(f"Service {name} failed to die")
        if options.enable is None:
            return still
        return both(still, at_boot(context, name, options.enable, "running"), {})
    changes = {name: False}
    if options.enable is None:
        return Outcome(True, f"Service {name} was killed", changes)
    killed = Outcome(True, "", changes)
    return both(killed, at_boot(context, name, options.enable, "dead"), changes)


def _started(context: StateContext, options: RunningOptions, before: Service) -> Outcome:
    name = options.name
    try:
        context.call(
            "service.start",
            name,
            no_block=options.no_block,
            unmask=options.unmask,
            unmask_runtime=options.unmask_runtime,
        )
    except HostError as error:
        return failed(str(error))
    delay = _wait(context, options.init_delay)
    # With `no_block` it may well not run yet; systemd has been told, and that is all we know.
    if not options.no_block and not _runs(context, name, options.sig):
        outcome = failed(f"Service {name} failed to start")
        if options.enable is not None:
            outcome = both(outcome, at_boot(context, name, options.enable, "dead"), {})
    else:
        changes = {name: True}
        outcome = Outcome(True, f"Started service {name}", changes)
        if options.enable is not None:
            outcome = both(outcome, at_boot(context, name, options.enable, "running"), changes)
    return dataclasses.replace(outcome, comment=f"{outcome.comment}{delay}")


def _as_it_should(
    context: StateContext, options: RunningOptions | DeadOptions, comment: str
) -> Outcome:
    """See to what is at boot, for a service that runs, or does not, as wanted."""
    name, wanted = options.name, options.enable
    if wanted is None or context.call("service.enabled", name) == wanted:
        return Outcome(True, comment)
    if isinstance(options, RunningOptions):
        return at_boot(
            context,
            name,
            wanted,
            "in the desired state",
            unmask=options.unmask,
            unmask_runtime=options.unmask_runtime,
        )
    return at_boot(context, name, wanted, "in the desired state")


def _and_the_mask(
    context: StateContext, comment: str, options: RunningOptions, before: Service
) -> str:
    """Add to a comment what came of a mask that was to be taken away."""
    lines = [comment]
    for is_asked, was_masked, runtime in (
        (options.unmask, before.is_masked, ""),
        (options.unmask_runtime, before.is_masked_for_now, "runtime "),
    ):
        if not is_asked or context.host.services.kind != "systemd":
            continue
        if not was_masked:
            lines.append(f"Service {options.name} was already {runtime}unmasked")
        elif context.is_test:
            lines.append(f"Service {options.name} would be {runtime}unmasked")
        else:
            after = context.host.services.look(options.name)
            is_masked = after.is_masked_for_now if runtime else after.is_masked
            lines.append(
                f"Failed to {runtime}unmask service {options.name}"
                if is_masked
                else f"Service {options.name} was {runtime}unmasked"
            )
    return "\n".join(lines)


def _absent(context: StateContext, name: str, done: str) -> Outcome | None:
    if not context.is_test:
        return None
    return Outcome(
        None,
        f"Service {name} not present; if created in this state run, it would have been {done}",
    )


def _offline(context: StateContext, before: Service) -> Outcome | None:
    """Answer for a unit of systemd where systemd does not run, as in a container that is built."""
    if context.host.services.kind == "sysv" and not before.boot:
        return Outcome(True, OFFLINE)
    return None


def _runs(context: StateContext, name: str, sig: str | None) -> bool:
    return bool(context.call("service.status", name, sig))


def _wait(context: StateContext, seconds: float | None) -> str:
    if not seconds:
        return ""
    context.host.system.sleep(min(max(seconds, 0.0), _DELAY_S_MAX))
    return f"\nDelayed return for {seconds:g} seconds"
