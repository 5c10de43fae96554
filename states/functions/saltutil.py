"""`saltutil.*`: the minion's own jobs, and what has to be refreshed when something changed.

The `sync_*` functions bring a shop's own modules from the file roots (`limpet.states.custom`).
"""

import fnmatch
from typing import Any

from limpet.common.errors import HostError, UsageError
from limpet.states.context import FunctionContext, Loose, RunningJob
from limpet.states.custom.folders import FOLDERS, NEVER_USED
from limpet.states.grains import loading


def running(context: FunctionContext) -> list[dict[str, Any]]:
    """Give the jobs that run on this minion now, this call left out.

    CLI Example: limpet run '*' saltutil.running
    """
    return [_shown(context, job) for job in context.jobs.running() if job.jid != context.jid]


def is_running(context: FunctionContext, fun: str) -> list[dict[str, Any]]:
    """Give the running jobs whose function fits a glob.

    CLI Example: limpet run '*' saltutil.is_running 'state.*'
    """
    return [job for job in running(context) if fnmatch.fnmatchcase(job["fun"], fun)]


def find_job(context: FunctionContext, jid: str) -> dict[str, Any]:
    """Give what is known of a job while it runs here, else nothing.

    CLI Example: limpet run '*' saltutil.find_job 01JD3Z0VQ9K5Y3J6X8R2M4N7PB
    """
    return next((job for job in running(context) if job["jid"] == jid.upper()), {})


def kill_job(context: FunctionContext, jid: str) -> str:
    """End a job's whole process tree, by force where it does not end by itself.

    CLI Example: limpet run web1 saltutil.kill_job 01JD3Z0VQ9K5Y3J6X8R2M4N7PB
    """
    return _end(context, jid, "killed")


def term_job(context: FunctionContext, jid: str) -> str:
    """End a job's whole process tree; the same as `kill_job`, which is gentle first.

    CLI Example: limpet run web1 saltutil.term_job 01JD3Z0VQ9K5Y3J6X8R2M4N7PB
    """
    return _end(context, jid, "ended")


def signal_job(context: FunctionContext, jid: str, sig: int) -> str:
    """Send a signal to the process of a job.

    CLI Example: limpet run web1 saltutil.signal_job 01JD3Z0VQ9K5Y3J6X8R2M4N7PB 10
    """
    job = find_job(context, jid)
    if not job or not job["pid"]:
        return ""
    if not context.host.processes.signal(int(job["pid"]), sig):
        return f"Job {job['jid']} was not running and job data has been cleaned up"
    return f"Signal {sig} sent to job {job['jid']} at pid {job['pid']}"


def kill_all_jobs(context: FunctionContext) -> list[str]:
    """End all jobs of this minion but this one.

    CLI Example: limpet run web1 saltutil.kill_all_jobs
    """
    return [kill_job(context, job["jid"]) for job in running(context)]


def term_all_jobs(context: FunctionContext) -> list[str]:
    """End all jobs of this minion but this one; the same as `kill_all_jobs`.

    CLI Example: limpet run web1 saltutil.term_all_jobs
    """
    return [term_job(context, job["jid"]) for job in running(context)]


def refresh_grains(
    context: FunctionContext, refresh_pillar: bool = True, clean_pillar_cache: bool = False
) -> bool:
    """Collect the grains anew and tell the master.

    CLI Example: limpet run '*' saltutil.refresh_grains
    """
    loading.forget(context.places)
    context.forget_grains()
    context.jobs.refresh_grains()
    return True


def sync_grains(
    context: FunctionContext,
    saltenv: Loose = None,
    refresh: bool = True,
    extmod_whitelist: Loose = None,
    extmod_blacklist: Loose = None,
    clean_pillar_cache: bool = False,
) -> list[str]:
    """Bring the grains modules of the file roots (`_grains`) here; give those that changed.

    CLI Example: limpet run '*' saltutil.sync_grains
    """
    changed = _bring(context, ("grains",), saltenv, extmod_whitelist, extmod_blacklist)
    if refresh:
        refresh_grains(context)
    return changed["grains"]


def sync_all(
    context: FunctionContext,
    saltenv: Loose = None,
    refresh: bool = True,
    extmod_whitelist: Loose = None,
    extmod_blacklist: Loose = None,
    clean_pillar_cache: bool = False,
) -> dict[str, list[str]]:
    """Bring all custom modules of the file roots here; give those that changed, by kind.

    Kinds that nothing here would use stay empty.
    CLI Example: limpet run '*' saltutil.sync_all
    """
    changed = _bring(context, tuple(FOLDERS), saltenv, extmod_whitelist, extmod_blacklist)
    if refresh:
        refresh_grains(context)
    return {**{kind: [] for kind in NEVER_USED}, **changed}


def sync_modules(
    context: FunctionContext,
    saltenv: Loose = None,
    refresh: bool = True,
    extmod_whitelist: Loose = None,
    extmod_blacklist: Loose = None,
) -> list[str]:
    """Bring the execution modules of the file roots (`_modules`) here; give those that changed.

    CLI Example: limpet run '*' saltutil.sync_modules
    """
    return _bring(context, ("modules",), saltenv, extmod_whitelist, extmod_blacklist)["modules"]


def sync_states(
    context: FunctionContext,
    saltenv: Loose = None,
    refresh: bool = True,
    extmod_whitelist: Loose = None,
    extmod_blacklist: Loose = None,
) -> list[str]:
    """Bring the state modules of the file roots (`_states`) here; give those that changed.

    CLI Example: limpet run '*' saltutil.sync_states
    """
    return _bring(context, ("states",), saltenv, extmod_whitelist, extmod_blacklist)["states"]


def sync_utils(
    context: FunctionContext,
    saltenv: Loose = None,
    refresh: bool = True,
    extmod_whitelist: Loose = None,
    extmod_blacklist: Loose = None,
) -> list[str]:
    """Bring what other custom modules share (`_utils`) here; give what changed.

    CLI Example: limpet run '*' saltutil.sync_utils
    """
    return _bring(context, ("utils",), saltenv, extmod_whitelist, extmod_blacklist)["utils"]


def refresh_modules(context: FunctionContext, **_odd: Loose) -> bool:
    """Do nothing and give true: each job sees the functions of the installed release.

    CLI Example: limpet run '*' saltutil.refresh_modules
    """
    return True


def refresh_pillar(
    context: FunctionContext, wait: bool = False, timeout: float = 30, clean_cache: bool = True
) -> bool:
    """Have the pillar rendered anew; targets on pillar go by it from then on. False: with errors.

    CLI Example: limpet run '*' saltutil.refresh_pillar
    """
    from limpet.states.pillar import job

    return not job.reload(context).errors


def pillar_refresh(
    context: FunctionContext, wait: bool = False, timeout: float = 30, clean_cache: bool = True
) -> bool:
    """Have pillar rendered anew; another name of `refresh_pillar`.

    CLI Example: limpet run '*' saltutil.pillar_refresh
    """
    return refresh_pillar(context, wait, timeout, clean_cache)


def cmd(
    context: FunctionContext, tgt: Loose, fun: str, arg: Loose = (), **more: Loose
) -> dict[str, Any]:
    """Refuse: a minion commands no others.

    CLI Example: limpet run web1 saltutil.cmd '*' test.ping
    """
    raise _commands_nobody("cmd")


def runner(context: FunctionContext, name: str, arg: Loose = None, **more: Loose) -> Loose:
    """Refuse: there are no runners; what they do, `limpet` does on the master.

    CLI Example: limpet run web1 saltutil.runner manage.up
    """
    raise _commands_nobody("runner")


def wheel(context: FunctionContext, name: str, *args: Loose, **kwargs: Loose) -> Loose:
    """Refuse: there are no wheel functions; keys are kept by `limpet keys` on the master.

    CLI Example: limpet run web1 saltutil.wheel key.list_all
    """
    raise _commands_nobody("wheel")


def clear_cache(context: FunctionContext) -> bool:
    """Forget what is kept to save time: collected grains. Jobs and their results are not touched.

    CLI Example: limpet run '*' saltutil.clear_cache
    """
    loading.forget(context.places)
    context.forget_grains()
    return True


def _bring(
    context: FunctionContext,
    kinds: tuple[str, ...],
    saltenv: Loose,
    allowed: Loose,
    denied: Loose,
) -> dict[str, list[str]]:
    """Bring modules of these kinds, from the environments that are named, or `base`."""
    from limpet.states.custom.bringing import bring

    if isinstance(saltenv, str):
        saltenv = [each.strip() for each in saltenv.split(",")]
    return bring(
        context,
        kinds,
        [str(each) for each in saltenv] if saltenv else ["base"],
        allowed=_by_kind(allowed, kinds),
        denied=_by_kind(denied, kinds),
    )


def _by_kind(globs: Loose, kinds: tuple[str, ...]) -> dict[str, list[str]]:
    """Give globs for each kind: Salt takes a mapping by kind, or one list for the one kind."""
    if not globs:
        return {}
    if isinstance(globs, dict):
        return {str(kind): _listed(each) for kind, each in globs.items()}
    return {kind: _listed(globs) for kind in kinds}


def _listed(globs: Loose) -> list[str]:
    if isinstance(globs, str):
        return [each.strip() for each in globs.split(",")]
    return [str(each) for each in globs]


def _commands_nobody(function: str) -> HostError:
    return HostError(
        f"saltutil.{function}: a minion commands neither others nor the master; docs/from-salt.md "
        "says what to use instead"
    )


def _end(context: FunctionContext, jid: str, word: str) -> str:
    wanted = jid.upper()
    if wanted == context.jid:
        raise UsageError("saltutil: a job can't end itself; let its function return")
    if not context.jobs.kill(wanted):
        return f"Job {wanted} is not running here"
    return f"Job {wanted} is {word}"


def _shown(context: FunctionContext, job: RunningJob) -> dict[str, Any]:
    """Give Salt's description of a running job."""
    return {
        "jid": job.jid,
        "fun": job.function,
        "arg": list(job.arguments),
        "pid": job.pid,
        "user": job.user,
        "tgt": job.target or context.minion_id,
        "tgt_type": "glob",
        "ret": "",
        "started": job.started_wall_s,
    }
