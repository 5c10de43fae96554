"""The essay's three failures on limpet's link, with real processes; each gives seconds to recovery.

Used by `stuck_reqrep.py`. Each function starts a master and a minion, breaks something, and waits
until a command is answered again; it raises if that takes longer than thirty seconds.
"""

import contextlib
import os
import socket
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from demo import Demo

LIMIT_S = 30.0


@contextlib.contextmanager
def pair() -> Iterator[Demo]:
    """Give a master and one minion that is READY."""
    demo = Demo(Path(tempfile.mkdtemp(prefix="limpet-stuck-")))
    try:
        demo.start_master()
        join = demo.run("token", "create", "--id-pattern", "*", is_shown=False).strip()
        demo.start_minion("web1", "--join", join)
        demo.wait("the minion is READY", lambda: demo.ready() == 1)
        yield demo
    finally:
        demo.close()


def until_answered(demo: Demo) -> float:
    """Give the seconds until a ping is answered."""
    began = time.monotonic()
    while time.monotonic() - began < LIMIT_S:
        if demo.succeeds("run", "--timeout", "2", "web1", "test.ping"):
            return time.monotonic() - began
    raise SystemExit(f"not answered within {LIMIT_S:g} s")


def crash() -> float:
    """Kill the master between taking a job and hearing its answer."""
    with pair() as demo:
        jid = demo.run("run", "--async", "web1", "cmd.run", "sleep 1", is_shown=False).strip()
        demo.kill("master")
        demo.start_master()
        began = time.monotonic()
        demo.run("jobs", "wait", jid, is_shown=False)  # its answer is not lost either
        return time.monotonic() - began


def invalid_json() -> float:
    """Send what is not a message to both ports, in the middle of everything."""
    with pair() as demo:
        port = int(demo.address.rsplit(":", 1)[1])
        for number in (port, demo.enrol_port):
            with socket.create_connection(("127.0.0.1", number), timeout=5) as connection:
                connection.sendall(b"\xff{not json" + os.urandom(2000))
        return until_answered(demo)


def restart() -> float:
    """Restart the master while the minion is in its handshake."""
    with pair() as demo:
        demo.kill("web1")
        demo.start_minion("web1")
        time.sleep(0.15)  # about where a starting minion greets
        demo.kill("master")
        demo.start_master()
        return until_answered(demo)


FAILURES: dict[str, Callable[[], float]] = {
    "crash": crash,
    "invalid JSON": invalid_json,
    "restart": restart,
}
