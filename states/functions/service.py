"""`service.*`: the services of this machine, whatever manager runs them.

Names stand without `.service`, as in Salt; other units keep their ending (`fstrim.timer`).
"""

import fnmatch
from typing import Any

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext, Loose
from limpet.states.ports.services import ServiceAction


def start(
    context: FunctionContext,
    name: str,
    no_block: bool = False,
    unmask: bool = False,
    unmask_runtime: bool = False,
    **_odd: Loose,
) -> bool:
    """Start a service.

    CLI Example: limpet run '*' service.start nginx
    """
    return _control(context, name, "start", no_block, unmask, unmask_runtime)


def stop(context: FunctionContext, name: str, no_block: bool = False, **_odd: Loose) -> bool:
    """Stop a service; false if it refused.

    CLI Example: limpet run '*' service.stop nginx
    """
    try:
        context.host.services.control(name, "stop", is_waiting=not no_block)
    except HostError:
        context.retcode = int(context.is_published)
        return False
    return True


def restart(
    context: FunctionContext,
    name: str,
    no_block: bool = False,
    unmask: bool = False,
    unmask_runtime: bool = False,
    **_odd: Loose,
) -> bool:
    """Stop a service and start it again.

    CLI Example: limpet run '*' service.restart nginx
    """
    return _control(context, name, "restart", no_block, unmask, unmask_runtime)


def reload_(
    context: FunctionContext,
    name: str,
    no_block: bool = False,
    unmask: bool = False,
    unmask_runtime: bool = False,
    **_odd: Loose,
) -> bool:
    """Have a service read its configuration again.

    CLI Example: limpet run '*' service.reload nginx
    """
    return _control(context, name, "reload", no_block, unmask, unmask_runtime)


def force_reload(
    context: FunctionContext,
    name: str,
    no_block: bool = True,
    unmask: bool = False,
    unmask_runtime: bool = False,
    **_odd: Loose,
) -> bool:
    """Have a service read its configuration again, restarting it if it knows no other way.

    CLI Example: limpet run '*' service.force_reload nginx
    """
    return _control(context, name, "force-reload", no_block, unmask, unmask_runtime)


def full_restart(context: FunctionContext, name: str, **_odd: Loose) -> bool:
    """Stop a service and then start it, in two steps.

    CLI Example: limpet run '*' service.full_restart nginx
    """
    stop(context, name)
    return start(context, name)


def status(context: FunctionContext, name: str, sig: str | None = None, **_odd: Loose) -> Loose:
    """Say whether a service runs; for a pattern, give that by name.

    `sig` is looked for in the process table where scripts have no word on it of their own.
    CLI Example: limpet run '*' service.status nginx
    """
    services = context.host.services
    if any(character in name for character in "*?["):
        names = [each for each in get_all(context) if fnmatch.fnmatchcase(each, name)]
        return {each: services.look(each).is_running for each in names}
    if sig and services.kind == "sysv":
        return bool(context.call("status.pid", sig))
    return services.look(name).is_running


def available(context: FunctionContext, name: str) -> bool:
    """Say whether there is such a service.

    CLI Example: limpet run '*' service.available sshd
    """
    return context.host.services.look(name).is_available


def missing(context: FunctionContext, name: str) -> bool:
    """Say whether there is no such service.

    CLI Example: limpet run '*' service.missing sshd
    """
    return not available(context, name)


def enable(
    context: FunctionContext,
    name: str,
    no_block: bool = False,
    unmask: bool = False,
    unmask_runtime: bool = False,
    **_odd: Loose,
) -> bool:
    """Have a service started at boot.

    CLI Example: limpet run '*' service.enable nginx
    """
    _unmask(context, name, unmask, unmask_runtime)
    context.host.services.set_at_boot(name, True)
    return True


def disable(context: FunctionContext, name: str, no_block: bool = False, **_odd: Loose) -> bool:
    """Keep a service from being started at boot; false if that was refused.

    CLI Example: limpet run '*' service.disable nginx
    """
    try:
        context.host.services.set_at_boot(name, False)
    except HostError:
        context.retcode = int(context.is_published)
        return False
    return True


def enabled(context: FunctionContext, name: str, **_odd: Loose) -> bool:
    """Say whether a service is started at boot.

    CLI Example: limpet run '*' service.enabled nginx
    """
    return context.host.services.look(name).is_enabled


def disabled(context: FunctionContext, name: str, **_odd: Loose) -> bool:
    """Say whether a service is not started at boot.

    CLI Example: limpet run '*' service.disabled nginx
    """
    return not enabled(context, name)


def mask(context: FunctionContext, name: str, runtime: bool = False) -> bool:
    """Keep a service from being started by anybody, with `runtime` until the next boot.

    CLI Example: limpet run '*' service.mask nginx
    """
    try:
        context.host.services.set_mask(name, True, is_for_now=runtime)
    except HostError as error:
        raise HostError(
            f"Failed to mask service '{name}'. Additional info follows:\n\n{error}"
        ) from error
    return True


def unmask_(context: FunctionContext, name: str, runtime: bool = False) -> bool:
    """Allow a service to be started again.

    CLI Example: limpet run '*' service.unmask nginx
    """
    if not masked(context, name, runtime):
        return True
    try:
        context.host.services.set_mask(name, False, is_for_now=runtime)
    except HostError as error:
        raise HostError(f"Failed to unmask service '{name}': {error}") from error
    return True


def masked(context: FunctionContext, name: str, runtime: bool = False) -> bool:
    """Say whether a service is masked, with `runtime` until the next boot only.

    CLI Example: limpet run '*' service.masked nginx
    """
    found = context.host.services.look(name)
    return found.is_masked_for_now if runtime else found.is_masked


def get_all(context: FunctionContext) -> list[str]:
    """Name all services.

    CLI Example: limpet run '*' service.get_all
    """
    return sorted(context.host.services.boot_states())


def get_enabled(context: FunctionContext) -> list[str]:
    """Name the services that are started at boot.

    CLI Example: limpet run '*' service.get_enabled
    """
    return _with_boot(context, "enabled")


def get_disabled(context: FunctionContext) -> list[str]:
    """Name the services that could be started at boot and are not.

    CLI Example: limpet run '*' service.get_disabled
    """
    return _with_boot(context, "disabled")


def get_static(context: FunctionContext) -> list[str]:
    """Name the services that are started only by others.

    CLI Example: limpet run '*' service.get_static
    """
    return _with_boot(context, "static")


def get_running(context: FunctionContext) -> list[str]:
    """Name the services that run.

    CLI Example: limpet run '*' service.get_running
    """
    return context.host.services.running()


def show(context: FunctionContext, name: str) -> dict[str, Any]:
    """Give all that the manager knows of a service.

    CLI Example: limpet run '*' service.show nginx
    """
    return dict(context.host.services.properties(name))


def execs(context: FunctionContext) -> dict[str, str]:
    """Give the program of each running service, by its name.

    CLI Example: limpet run '*' service.execs
    """
    services = context.host.services
    found = {}
    for name in services.running():
        line = services.properties(name).get("ExecStart", "")
        _, has_path, rest = line.partition("path=")
        if has_path:
            found[name] = rest.partition(" ;")[0]
    return found


def systemctl_reload(context: FunctionContext) -> bool:
    """Have the manager read its definitions again.

    CLI Example: limpet run '*' service.systemctl_reload
    """
    context.host.services.refresh()
    return True


def offline(context: FunctionContext) -> bool:
    """Say whether there are units of systemd that does not run.

    CLI Example: limpet run '*' service.offline
    """
    return context.host.services.is_offline


def _control(
    context: FunctionContext,
    name: str,
    action: ServiceAction,
    no_block: bool,
    unmask: bool,
    unmask_runtime: bool,
) -> bool:
    _unmask(context, name, unmask, unmask_runtime)
    context.host.services.control(name, action, is_waiting=not no_block)
    return True


def _unmask(context: FunctionContext, name: str, unmask: bool, unmask_runtime: bool) -> None:
    if unmask:
        unmask_(context, name)
    if unmask_runtime:
        unmask_(context, name, runtime=True)


def _with_boot(context: FunctionContext, boot: str) -> list[str]:
    states = context.host.services.boot_states()
    return sorted(name for name, each in states.items() if each == boot)
