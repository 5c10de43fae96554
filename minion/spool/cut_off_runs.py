"""What is known of a run of states that was cut off: the return of a job without a result.

    python -I -m limpet.minion.spool.cut_off_runs SPOOL STATE_DIRECTORY JID ERROR

is started by a link that finds neither a supervisor nor a result: it writes the result that the
supervisor would have written, and ends. So the journal of a run, which may be large, is never read
by a link, and neither is the code for it.
"""

import os
import select
import sys
from contextlib import suppress
from pathlib import Path
from typing import Any, Final

from limpet.common.clock import SystemClock
from limpet.common.errors import HostError
from limpet.common.messages.jobs import Outcome
from limpet.minion.process.child_process import ShortChild

RETURN_BYTES_MAX: Final = 4 * 1024 * 1024
"""For a job that is recovered; longer texts in its results are cut."""
POLL_S: Final = 0.05
LIMIT_S: Final = 20.0
"""A large journal on a slow disk; then the job is `interrupted` without more."""


def recover(spool: Path, state_directory: str, jid: str, error: str) -> bool:
    """Have a child write the result of a run whose supervisor is gone; blocks, for 20 s at most.

    False: it was no run of states, or did not come as far as its first state, or it can't be done.
    """
    if not os.path.exists(os.path.join(state_directory, "runs", jid)):
        return False
    clock = SystemClock()
    module = "limpet.minion.spool.cut_off_runs"
    line = [sys.executable, "-I", "-m", module, str(spool), state_directory, jid, error]
    try:
        child = ShortChild(clock.now(), line, name="recovery", limit_s=LIMIT_S, bytes_max=1024)
    except HostError:
        return False
    try:
        while (answer := child.collect(clock.now())) is None:
            select.select([child.fileno()], [], [], POLL_S)
    finally:
        child.close()
    return not answer.problem


def known_of(state_directory: str, jid: str) -> tuple[dict[str, Any], str] | None:
    """Give what the run returns and a line about it; None: nothing is known."""
    from limpet.states.runner import journal

    try:
        recorded = journal.read(journal.directory_of(Path(state_directory)) / jid)
    except OSError:
        return None
    return None if recorded is None else journal.told(recorded, jid)


def write_result(directory: Path, state_directory: str, jid: str, error: str) -> None:
    """Write `interrupted` with what is known, as a supervisor would. Raises `OSError`."""
    from msgspec import structs

    from limpet.minion.jobs.results import WorkerResult
    from limpet.minion.spool.spool import Spool
    from limpet.minion.workers.value_encoding import encode_value
    from limpet.minion.workers.worker import describe, one_line

    known = known_of(state_directory, jid)
    if known is None:
        return
    value, words = known
    outcome: Outcome = "interrupted"
    spool, own = Spool(directory), os.getpid()
    slot = spool.take_slot(jid, own)
    try:
        body, is_cut = encode_value(value, RETURN_BYTES_MAX)
        path = spool.unfinished(jid, own, "body")
        line = one_line(f"{error}; {words}")
        report = describe(outcome, 1, line, body, is_cut, spool=spool, body_path=path)
        if path.exists():
            path.rename(spool.body(jid))
        spool.write_result(jid, slot, WorkerResult(**structs.asdict(report)))
    finally:
        with suppress(FileNotFoundError):
            slot.unlink()


if __name__ == "__main__":
    write_result(Path(sys.argv[1]), *sys.argv[2:5])
