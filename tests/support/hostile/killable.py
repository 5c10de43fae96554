"""`python killable.py master|minion ROOT N [NAME]`: a daemon that kills itself at a boundary.

The real daemons; only the places where something leaves them (a commit is begun, is on disk, a
message is sent, a process is made or let go …) are wrapped. Each counts twice, as `before` and
`after`. At the Nth the process dies by SIGKILL, as if somebody had hit it exactly there; with NAME
(as in `send Return after`) at the Nth of those, or at the 200th of all. N = 0: never. Where it died
stands in the log.
"""

import os
import signal
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

UNCOUNTED = frozenset(("Beat", "MasterBeat", "Report"))
"""Beats and lines of the log come all the time and change nothing on any disk."""


ALL_MAX = 200
"""A process that never comes to the boundary with the chosen name dies at this one."""


class Boundaries:
    """Counts the boundaries that the process passes, and ends it at the chosen one."""

    def __init__(self, chosen: int, name: str) -> None:
        self._left = chosen
        self._name = name
        self._all_left = ALL_MAX if chosen and name else 0
        self._lock = threading.Lock()

    def passed(self, name: str) -> None:
        """Take note of one boundary; maybe do not come back."""
        with self._lock:
            self._left -= self._name in ("", name)
            self._all_left -= 1
            if self._left == 0 or self._all_left == 0:
                os.write(2, f"killed at: {name}\n".encode())
                os.kill(os.getpid(), signal.SIGKILL)

    def wrap(self, owner: Any, method: str, name: Callable[..., str]) -> None:  # noqa: ANN401
        """Count each call of the method of a class, before and after it."""
        inner = getattr(owner, method)

        def outer(*arguments: Any, **keywords: Any) -> Any:  # noqa: ANN401
            said = name(*arguments, **keywords)
            if not said:
                return inner(*arguments, **keywords)
            self.passed(f"{said} before")
            result = inner(*arguments, **keywords)
            self.passed(f"{said} after")
            return result

        setattr(owner, method, outer)


def _sent(kind: str, message: object) -> str:
    name = type(message).__name__
    return "" if name in UNCOUNTED else f"{kind} {name}"


def run_master(root: str, boundaries: Boundaries) -> int:
    """Run the master of a root."""
    from limpet.common.observability.logs import Log
    from limpet.common.service.paths import Roots
    from limpet.common.settings.master import MasterConfiguration, load_master
    from limpet.master.control.server import ControlServer
    from limpet.master.enrolment.io.supervisor import EnrolmentSupervisor
    from limpet.master.process.main_port import MainPort
    from limpet.master.process.startup import serve
    from limpet.master.store import writer
    from limpet.master.store.store import Store
    from limpet.master.store.writing import Transaction

    boundaries.wrap(Store, "submit", lambda *_: "submit")
    boundaries.wrap(
        writer.Writer, "_try", lambda _, group: "commit" if group else ""
    )  # before: nothing of the group is on disk; after: all is, and nobody knows
    boundaries.wrap(Transaction, "apply", lambda _, operation: f"apply {type(operation).__name__}")
    boundaries.wrap(MainPort, "send", lambda _, peer, message: _sent("send", message))
    boundaries.wrap(ControlServer, "answer", lambda _, client, reply, now: _sent("answer", reply))
    boundaries.wrap(EnrolmentSupervisor, "answer", lambda *_: "answer enrolment")
    roots = Roots.locate("master", root)

    def read() -> MasterConfiguration:
        return load_master(roots, {})

    serve(roots, read, Log(level=read().level))
    return 0


def run_minion(root: str, boundaries: Boundaries) -> int:
    """Run the minion of a root."""
    from limpet.minion.journal.io.journal_file import JournalFile
    from limpet.minion.process import loop
    from limpet.minion.process.effect_runner import EffectRunner
    from limpet.minion.process.plan import hand_over
    from limpet.minion.process.startup import make_plan

    for name in ("persist", "resolve", "open", "close_socket", "prove", "spawn", "release"):
        boundaries.wrap(EffectRunner, f"_{name}", lambda *_, said=name: said)
    for name in ("adopt", "kill", "drop_spool", "read_body"):
        boundaries.wrap(EffectRunner, f"_{name}", lambda *_, said=name: said)
    boundaries.wrap(EffectRunner, "_send", lambda _, effect: _sent("send", effect.message))
    boundaries.wrap(
        JournalFile, "append", lambda _, records: f"append {type(records[0]).__name__}"
    )  # before: nothing is on disk; after: synced, and nobody knows
    return loop.run(hand_over(make_plan(root, {})))


def command(role: str, root: Path, chosen: int, name: str = "") -> list[str]:
    """Give the command line of a daemon that dies at the chosen boundary."""
    return [sys.executable, __file__, role, str(root), str(chosen), name]


def main() -> int:
    """Run what the command line names."""
    from limpet.common.errors import LimpetError

    role, root, chosen, name = sys.argv[1:5]
    boundaries = Boundaries(int(chosen), name)
    try:
        return {"master": run_master, "minion": run_minion}[role](root, boundaries)
    except LimpetError as error:
        sys.stderr.write(f"limpet: {error}\n")
        return int(error.exit_code)


if __name__ == "__main__":
    sys.exit(main())
