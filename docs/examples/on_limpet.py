"""The essay's three failures on limpet's link, with real processes; each gives seconds to recovery.

Used by `stuck_reqrep.py`. Each function starts a master and a minion, breaks something, and waits
until a command is answered again; it raises if that takes longer than thirty seconds.
"""

import contextlib
import json
import os
import signal
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from demo import Demo

from limpet.common.crypto.keys import decode_key
from limpet.common.messages.fields import MAIN_FRAME_BYTES_MAX, MINION_FRAME_BYTES_MAX
from limpet.common.transport.sockets import Context, DealerSocket, public_key_of

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
    """Send what is not a message over an authenticated connection, under the minion's own key."""
    with pair() as demo:
        send_as_minion(demo, b"\xff{not json")
        recovery_s = until_answered(demo)
        turned_away = json.loads(demo.run("status", "--format", "json", is_shown=False))["rejected"]
        if not any(reason.startswith("bad_") for reason in turned_away):
            raise SystemExit(f"the master has not seen the frame: {turned_away}")
        return recovery_s


def restart() -> float:
    """Restart the master while the minion is in its handshake."""
    with pair() as demo:
        demo.kill("web1")
        master = demo.processes["master"]
        os.kill(master.pid, signal.SIGSTOP)  # TCP still connects; the handshake stands still
        demo.start_minion("web1")
        time.sleep(1.0)
        demo.kill("master")
        demo.start_master()
        return until_answered(demo)


def send_as_minion(demo: Demo, frame: bytes) -> None:
    """Connect with the key of web1, as it does itself, and send one frame."""
    address, port = demo.address.rsplit(":", 1)
    server_key = next(demo.master_root.rglob("master.public"))
    secret_key = decode_key(next((demo.folder / "web1").rglob("minion.secret")).read_bytes())
    context = Context()
    dealer = DealerSocket(
        context,
        address=address,
        port=int(port),
        server_key=decode_key(server_key.read_bytes()),
        public_key=public_key_of(secret_key),
        secret_key=secret_key,
        frame_bytes_max=MAIN_FRAME_BYTES_MAX,
        send_bytes_max=MINION_FRAME_BYTES_MAX,
        handshake_s=3.0,
    )
    try:
        deadline = time.monotonic() + LIMIT_S
        while not dealer.send(frame):  # it takes nothing before the handshake is done
            if time.monotonic() > deadline:
                raise SystemExit("no connection to the master")
            time.sleep(0.01)
        time.sleep(0.1)
    finally:
        dealer.close()
        context.close()


FAILURES: dict[str, Callable[[], float]] = {
    "crash": crash,
    "invalid JSON": invalid_json,
    "restart": restart,
}
