"""The worker: the process that runs one function and reports to its supervisor.

It is forked from the supervisor, calls the function once, and ends by `os._exit`, whatever happens.
The job boundary is here: every exception of a function becomes a result.
"""

import errno
import hashlib
import os
import resource
import signal
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, NoReturn

import msgspec

from limpet.common.errors import LimpetError
from limpet.common.messages.jobs import Outcome
from limpet.minion.jobs.results import ERROR_CHARACTERS_MAX, RESULT_BODY_BYTES_MAX
from limpet.minion.spool.spool import Spool
from limpet.minion.workers import process_setup, scope
from limpet.minion.workers.fork_server_messages import Spawn, WorkerSetup, spool_of
from limpet.minion.workers.value_encoding import encode_value, shorten
from limpet.states.sls import limits

if TYPE_CHECKING:
    from limpet.states.context import FunctionContext, Places
    from limpet.states.ports.upgrades import Upgrades

REPORT_BYTES_MAX: Final = 60 * 1024
"""A report fits the pipe's buffer, so that writing it never waits for the supervisor."""


class WorkerReport(msgspec.Struct, array_like=True, frozen=True):
    """What a worker says of its function, written once to the supervisor's pipe."""

    outcome: Outcome
    retcode: int
    error: str
    body: bytes
    """The body if it is small; else it lies in the unfinished body file."""
    body_bytes: int
    body_digest: str
    is_cut: bool


def work(
    job: Spawn, setup: WorkerSetup, *, supervisor: int, report_fd: int, output_fd: int
) -> NoReturn:
    """Be the worker, from the fork to the end of the process. Never returns, never raises."""
    status = 70
    try:
        _become_worker(supervisor, output_fd)
        limits.on_hard_end = _reporting(job, setup, supervisor, report_fd)
        _send(_run(job, setup, supervisor), report_fd)
        status = 0
    except BaseException:  # noqa: BLE001 - a forked process must never run its parent's code
        traceback.print_exc()
    finally:
        try:
            sys.stdout.flush()
            sys.stderr.flush()
        except (OSError, ValueError):
            status = status or 70  # the function closed them
        os._exit(status)


def _send(report: WorkerReport, report_fd: int) -> None:
    data = msgspec.msgpack.encode(report)
    assert len(data) <= REPORT_BYTES_MAX
    os.write(report_fd, data)


def _reporting(
    job: Spawn, setup: WorkerSetup, supervisor: int, report_fd: int
) -> Callable[[str], NoReturn]:
    """Give what ends this worker, with a report, where a template does not let itself be stopped.

    In a process that a state has started beside the others (`parallel`) it only ends that one.
    """
    worker = os.getpid()

    def end(told: str) -> NoReturn:
        status = 70
        try:
            if os.getpid() == worker:
                _send(_failure(job, setup, supervisor, told), report_fd)
                status = 0
        finally:
            os._exit(status)

    return end


def _failure(job: Spawn, setup: WorkerSetup, supervisor: int, error: str) -> WorkerReport:
    spool = Spool(spool_of(setup))
    body, is_cut = encode_value(None, job.return_bytes_max)
    path = spool.unfinished(job.jid, supervisor, "body")
    return describe("failed", 1, one_line(error), body, is_cut, spool=spool, body_path=path)


def describe(
    outcome: Outcome,
    retcode: int,
    error: str,
    body: bytes,
    is_cut: bool,
    *,
    spool: Spool,
    body_path: Path,
) -> WorkerReport:
    """Make a report; a large body goes to `body_path`, and is cut where the disk is full."""
    if len(body) <= RESULT_BODY_BYTES_MAX:
        return WorkerReport(outcome, retcode, error, body, len(body), "", is_cut)
    try:
        spool.write_body(body_path, body)
    except OSError as problem:
        reason = "the disk was full" if problem.errno == errno.ENOSPC else str(problem.strerror)
        value = msgspec.msgpack.decode(body, strict=False)
        kept, _ = encode_value(value, RESULT_BODY_BYTES_MAX - 512)
        error = error or f"the returned value was cut: {reason}"
        return WorkerReport(outcome, retcode, error, kept, len(kept), "", True)
    digest = hashlib.sha256(body).hexdigest()
    return WorkerReport(outcome, retcode, error, b"", len(body), digest, is_cut)


def _become_worker(supervisor: int, output_fd: int) -> None:
    """Take on the environment in which functions run."""
    signal.set_wakeup_fd(-1)
    for number in (signal.SIGCHLD, signal.SIGUSR1, signal.SIGINT):
        signal.signal(number, signal.SIG_DFL)
    signal.signal(signal.SIGTERM, process_setup.end_after_children)
    signal.pthread_sigmask(signal.SIG_SETMASK, set())
    scope.enter_below(supervisor)
    scope.allow_to_be_ended_for_memory()
    os.dup2(output_fd, 1)
    os.dup2(output_fd, 2)
    os.umask(0o022)
    os.chdir("/")
    resource.setrlimit(resource.RLIMIT_CORE, (0, resource.getrlimit(resource.RLIMIT_CORE)[1]))


def _run(job: Spawn, setup: WorkerSetup, supervisor: int) -> WorkerReport:
    """Call the function and report, whatever it does."""
    outcome: Outcome = "failed"
    value: Any = None
    error = ""
    retcode = 1
    hiding = Hiding()
    try:
        outcome, retcode, error, value = _call(job, setup, hiding)
    except LimpetError as problem:
        retcode, error = int(problem.exit_code), str(problem)
    except SystemExit as ending:
        error = f"the function ended its process: SystemExit({ending.code!r})"
    except BaseException as problem:  # noqa: BLE001 - the job boundary: told in full to the caller
        error = "".join(traceback.format_exception_only(problem)).strip()
        value = f"The function {job.function} raised an exception:\n{traceback.format_exc()}"
    hiding.flush()
    spool = Spool(spool_of(setup))
    body, is_cut = b"", False
    if value is not _NOTHING:
        body, is_cut = encode_value(value, job.return_bytes_max, hiding.mask)
    return describe(
        outcome,
        max(-(2**31), min(2**31, retcode)),
        one_line(hiding.mask(error)),
        body,
        is_cut,
        spool=spool,
        body_path=spool.unfinished(job.jid, supervisor, "body"),
    )


class Hiding:
    """What hides the secrets of the pillar that a job has loaded; nothing before there is a job."""

    def __init__(self) -> None:
        self.mask: Callable[[Any], Any] = lambda value: value
        self.flush: Callable[[], None] = lambda: None
        """Passes on the last of the live output."""

    def begin(self, context: "FunctionContext") -> None:
        """Give the job its pillar, and hide in what it shows what is secret in it."""
        from limpet.states.pillar.job import prepare

        self.flush = prepare(context)
        self.mask = context.mask


_NOTHING: Final = object()


def one_line(text: str) -> str:
    """Make an error fit one line of bounded length."""
    line = " ".join(text.split())
    data = line.encode("utf-8", "backslashreplace").decode()
    return str(shorten(data, ERROR_CHARACTERS_MAX - 100)).replace("\n", " ")


def _call(job: Spawn, setup: WorkerSetup, hiding: Hiding) -> tuple[Outcome, int, str, Any]:
    # Imported here: the fork server has loaded it long ago, the link never does.
    from limpet.states.custom import using
    from limpet.states.functions import registry

    using.use(places_of(setup), setup.configuration)
    function = registry.find(job.function)
    if function is None:
        return "refused", 1, registry.unknown(job.function), _NOTHING
    if refusal := registry.refusal(function, setup.configuration):
        return "refused", 1, refusal, _NOTHING
    decoded = msgspec.msgpack.decode(job.arguments)
    if not (
        isinstance(decoded, list)
        and len(decoded) == 2
        and isinstance(decoded[0], list)
        and isinstance(decoded[1], dict)
    ):
        return "refused", 2, "the arguments are not [positional, keyword]", _NOTHING
    context = make_context(job, setup)
    hiding.begin(context)
    keyword = {str(name): value for name, value in decoded[1].items()}
    value = registry.call(job.function, decoded[0], keyword, context)
    retcode = context.retcode_of(value)
    if retcode:
        return "failed", retcode, "", value
    return "ok", 0, "", value


def places_of(setup: WorkerSetup) -> "Places":
    """Give the places of the minion that the job runs on."""
    from limpet.states.context import Places

    return Places(
        Path(setup.configuration_file), Path(setup.grains_file), Path(setup.state_directory)
    )


def make_context(job: Spawn, setup: WorkerSetup) -> "FunctionContext":
    """Give the context that the function is handed."""
    from limpet.minion.control.client import JobsOfMinion
    from limpet.minion.control.files_client import SourcesOfMaster
    from limpet.states.context import FunctionContext
    from limpet.states.host.machine import ThisMachine

    local_socket = Path(setup.local_socket)
    is_remote = setup.configuration.get("file_client", "remote") != "local"
    return FunctionContext(
        minion_id=setup.minion_id,
        host=ThisMachine(),
        places=places_of(setup),
        configuration=setup.configuration,
        jid=job.jid,
        user=job.user,
        jobs=JobsOfMinion(local_socket),
        sources=SourcesOfMaster(local_socket) if is_remote else None,
        upgrades=lambda: _upgrades(Path(setup.state_directory)),
        stream=_stream,
        is_followed=job.is_streamed,
    )


def _upgrades(state_directory: Path) -> "Upgrades":
    from limpet.minion.upgrading.io.request import UpgradesOfMinion  # few jobs need it

    return UpgradesOfMinion(state_directory)


def _stream(data: bytes) -> None:
    """Hand live output to the supervisor, which always reads; time is only lost to a slow disk."""
    view = memoryview(data)
    try:
        while view:
            view = view[os.write(1, view) :]
    except OSError:
        return  # the function closed its output
