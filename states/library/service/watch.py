"""What a service does when something that it watches has changed: restart, reload, or stop."""

from limpet.common.errors import HostError
from limpet.states.context import Loose
from limpet.states.library.context import StateContext
from limpet.states.outcome import Outcome, failed


def mod_watch(
    context: StateContext,
    name: str,
    sfun: str | None = None,
    sig: str | None = None,
    full_restart: bool = False,
    init_delay: float | None = None,
    force: bool = False,
    reload: bool = False,
    no_block: bool = False,
    unmask: bool = False,
    unmask_runtime: bool = False,
    **_odd: Loose,
) -> Outcome:
    """Restart or reload the service, or stop it where it is to be dead."""
    is_running = bool(context.call("service.status", name, sig))
    if sfun == "dead":
        if not is_running:
            return Outcome(True, "Service is already stopped")
        function, verb, done = "service.stop", "stop", "stopped"
    elif sfun == "running":
        if not is_running:
            function, verb, done = "service.start", "start", "started"
        elif full_restart:
            function, verb, done = "service.full_restart", "fully restart", "fully restarted"
        elif reload and force:
            function, verb, done = (
                "service.force_reload", "forcefully reload", "forcefully reloaded",
            )  # fmt: skip
        elif reload:
            function, verb, done = "service.reload", "reload", "reloaded"
        else:
            function, verb, done = "service.restart", "restart", "restarted"
    else:
        return failed(f"Unable to trigger watch for service.{sfun}")
    if context.is_test:
        return Outcome(None, f"Service is set to be {done}")
    options = {"no_block": no_block}
    if function not in ("service.stop", "service.full_restart"):
        options.update(unmask=unmask, unmask_runtime=unmask_runtime)
    try:
        if verb == "start":  # what is left of one that failed halfway
            context.call("service.stop", name)
        is_done = context.call(function, name, **options)
    except HostError as error:
        return failed(str(error))
    if init_delay:
        context.host.system.sleep(min(max(init_delay, 0.0), 3600.0))
    if not is_done:
        return failed(f"Failed to {verb} the service")
    return Outcome(True, f"Service {done}", {name: True})
