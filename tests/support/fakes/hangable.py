"""`python hangable.py master|minion ROOT HOW`: a daemon whose loop hangs at SIGUSR1.

HOW: `python` (a loop that never ends), `sleep` (a call that never returns), `regex` (C code that
burns the processor and never lets go of the interpreter). The watchdog has two seconds instead of
thirty. What the minion starts afresh is the real one.
"""

import re
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

LIMIT_S = 2.0


def hang_in_python(*_: object) -> None:
    """Turn for ever."""
    while True:
        time.sleep(0)


def hang_in_a_call(*_: object) -> None:
    """Wait for ever, as for a disk that does not answer."""
    time.sleep(100_000)


def hang_in_c(*_: object) -> None:
    """Burn the processor inside C code that holds the interpreter's lock."""
    re.match("(a+)+$", "a" * 64 + "b")


HANGS: dict[str, Callable[..., None]] = {
    "python": hang_in_python,
    "sleep": hang_in_a_call,
    "regex": hang_in_c,
}


def command(role: str, root: Path, how: str) -> list[str]:
    """Give the command line of a daemon that can be made to hang."""
    return [sys.executable, __file__, role, str(root), how]


def main() -> int:
    """Run what the command line names."""
    role, root, how = sys.argv[1:4]
    signal.signal(signal.SIGUSR1, HANGS[how])
    if role == "minion":
        from limpet.minion.process import loop
        from limpet.minion.process.plan import hand_over
        from limpet.minion.process.startup import make_plan

        return loop.run(hand_over(make_plan(root, {})), limit_s=LIMIT_S)
    from limpet.common.observability.logs import Log
    from limpet.common.service.paths import Roots
    from limpet.common.settings.master import MasterConfiguration, load_master
    from limpet.master.process import startup

    vars(startup)["LIMIT_S"] = LIMIT_S
    roots = Roots.locate("master", root)

    def read() -> MasterConfiguration:
        return load_master(roots, {})

    startup.serve(roots, read, Log(level=read().level))
    return 0


if __name__ == "__main__":
    sys.exit(main())
