"""Runs of states that go on on this minion, and what Salt has here and limpet has not."""

import time
from typing import NoReturn

from limpet.common.errors import UsageError
from limpet.states.context import FunctionContext, Loose


def running(context: FunctionContext, concurrent: bool = False) -> list[str]:
    """Name the runs of states that go on on this minion; none: an empty list.

    CLI Example: limpet run '*' state.running
    """
    found = []
    for job in () if concurrent else context.jobs.running():
        is_run = job.function.startswith("state.") and not job.function.startswith("state.show_")
        if is_run and job.jid != context.jid:
            started = time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(job.started_wall_s))
            found.append(
                f'The function "{job.function}" is running as PID {job.pid} and was started at '
                f"{started} with jid {job.jid}"
            )
    return found


def get_pauses(context: FunctionContext, jid: str | None = None) -> dict[str, Loose]:
    """Give the runs that are paused: none, for here no run can be paused.

    CLI Example: limpet run '*' state.get_pauses
    """
    return {}


def pause(context: FunctionContext, jid: str, state_id: Loose = None) -> NoReturn:
    """Refuse: here no run can be paused, but it can be cancelled and gone on with.

    CLI Example: limpet run '*' state.pause 01JD3Z0VQ9…
    """
    raise UsageError(
        f"a run can't be paused here: limpet jobs cancel {jid}, and later limpet apply --resume "
        f"{jid}, which does not do again what was done"
    )


def soft_kill(context: FunctionContext, jid: str, state_id: Loose = None) -> NoReturn:
    """Refuse: a run is ended by cancelling its job.

    CLI Example: limpet run '*' state.soft_kill 01JD3Z0VQ9…
    """
    raise UsageError(f"a run is ended by limpet jobs cancel {jid}")


def orchestrate(context: FunctionContext, mods: Loose, **more: Loose) -> NoReturn:
    """Refuse: orchestration is not there yet.

    CLI Example: limpet run '*' state.orchestrate deploy
    """
    raise UsageError(
        "orchestration is not there yet: run the steps one after another with limpet apply, whose "
        "exit code says how each ended"
    )


def pkg(context: FunctionContext, pkg_path: str, **more: Loose) -> NoReturn:
    """Refuse: states in a package, as salt-ssh makes them, are not read.

    CLI Example: limpet run '*' state.pkg /tmp/state_pkg.tgz
    """
    raise UsageError("states in a package of salt-ssh are not read: apply them from file_roots")
