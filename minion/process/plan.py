"""All that a minion needs to know to run, worked out beforehand and handed to the running process.

`limpet minion` reads configuration and key files with libraries that need memory, and then makes
way for the link, which has only this. It is handed over in an anonymous file in memory, because it
holds secrets: not on the command line, not on a disk, and not inherited by any job.
"""

import os
import sys
from pathlib import Path
from typing import Any, Final

import msgspec

from limpet.minion.workers.fork_server_messages import WorkerSetup

PLAN_BYTES_MAX: Final = 4 * 1024 * 1024


class PlannedPlace(msgspec.Struct, frozen=True):
    """One place where the master may be found."""

    host: str
    port: int
    enrol_port: int


class Plan(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """The plan of one minion."""

    minion_id: str
    places: tuple[PlannedPlace, ...]
    """Where the master may be found; at least one."""
    server_key: bytes
    """As it was when the plan was made; what is kept on disk may be younger."""
    told: str
    """What join string or configuration say of the master; empty: nothing."""
    public_key: bytes
    secret_key: bytes
    join_token_id: str
    join_secret: bytes
    boot_id: str
    """Of this boot of this host and this state directory: 32 hex digits."""
    version: str
    log_level: int
    root: str | None
    """`--root`, absolute; None: the system's places."""
    state_dir: str
    run_dir: str
    lock_path: str
    socket_path: str
    jobs_at_once: int
    job_timeout_s: float
    """0: the usual default."""
    worker_setup: WorkerSetup
    metrics: tuple[str, int] | None = None
    """Numeric host and port where metrics are served."""
    options: dict[str, Any] = {}
    """What the command line said besides the configuration, for reading that again."""
    notices: tuple[str, ...] = ()
    """What had to be put right while the plan was made, for the log."""
    last_upgrade: str = ""
    """What went wrong with the last upgrade of the package; empty: nothing."""

    def __repr__(self) -> str:
        """Show nothing of the secrets in a traceback or a log."""
        return f"Plan({self.minion_id!r}, {self.state_dir!r})"

    @property
    def journal_dir(self) -> Path:
        """Where the journal is."""
        return Path(self.state_dir) / "journal"

    @property
    def keys_dir(self) -> Path:
        """Where the key files are."""
        return Path(self.state_dir) / "keys"

    @property
    def status_path(self) -> Path:
        """Where the status is written."""
        return Path(self.run_dir) / "minion-status.json"


_decoder: Final = msgspec.msgpack.Decoder(Plan)


def program_of(plan: Plan, fd: int) -> list[str]:
    """Give the command of the running minion; id and place are there for whoever looks at `ps`."""
    module = "limpet.minion.process.loop"
    return [sys.executable, "-I", "-m", module, str(fd), plan.minion_id, plan.state_dir]


def hand_over(plan: Plan) -> int:
    """Put the plan into an anonymous file; gives its descriptor, to be inherited over exec."""
    fd = os.memfd_create("limpet-minion-plan", os.MFD_CLOEXEC)
    data = msgspec.msgpack.encode(plan)
    assert len(data) <= PLAN_BYTES_MAX
    os.write(fd, data)
    return fd


def take_over(fd: int) -> Plan:
    """Read the plan; from now on no child inherits the file, until `os.set_inheritable`."""
    os.set_inheritable(fd, False)
    return _decoder.decode(os.pread(fd, PLAN_BYTES_MAX, 0))
