"""Three ways in which a plain REQ/REP client is stranded, and the same three on limpet's link.

ZeroMQ hides disconnects: a REQ socket that has sent its question waits for the answer, and nothing
tells it that the answer can't come any more. Each failure is shown with plain REQ/REP first (the
client hangs until this script loses patience), then with limpet's master and minion as real
processes (they recover by themselves; the time is printed).

    python docs/examples/stuck_reqrep.py [--patience SECONDS]
"""

import argparse
import json
import multiprocessing
import os
import signal
import socket
import sys
import time
from multiprocessing.synchronize import Event
from pathlib import Path

import zmq

sys.path.insert(0, str(Path(__file__).parent))

from on_limpet import FAILURES as ON_LIMPET


def server(port: int, misbehaviour: str, happened: Event) -> None:
    """Answer questions in a loop, as one writes it at first; fail in one chosen way, once."""
    context = zmq.Context()
    replies = context.socket(zmq.REP)
    replies.bind(f"tcp://127.0.0.1:{port}")
    while True:
        frame = replies.recv()
        if misbehaviour == "crash" and not happened.is_set():
            happened.set()
            os.kill(os.getpid(), signal.SIGKILL)  # between recv and send
        if misbehaviour == "restart" and not happened.is_set():
            happened.set()
            time.sleep(60)  # in the middle of the handshake: killed and started anew by the caller
        try:
            question = json.loads(frame)
        except ValueError:
            happened.set()
            sys.exit(1)  # as an exception that nobody caught would end it; a supervisor restarts it
        replies.send(json.dumps({"answer": question}).encode())


def client(port: int, frames: list[bytes], answered: Event) -> None:
    """Ask, wait, ask: no timeouts, as one writes it at first."""
    context = zmq.Context()
    requests = context.socket(zmq.REQ)
    requests.connect(f"tcp://127.0.0.1:{port}")
    for frame in frames:
        requests.send(frame)
        requests.recv()
    answered.set()


def plain(misbehaviour: str, patience_s: float) -> bool:
    """Run one failure on plain REQ/REP; say whether the client ever got its answers."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    happened, answered = multiprocessing.Event(), multiprocessing.Event()
    frames = [b'{"auth": 1}', b'{"auth": 2}']
    if misbehaviour == "invalid JSON":
        frames[0] = b"\xff{not json"
    first = multiprocessing.Process(target=server, args=(port, misbehaviour, happened), daemon=True)
    first.start()
    asking = multiprocessing.Process(target=client, args=(port, frames, answered), daemon=True)
    asking.start()
    if not happened.wait(10):
        raise SystemExit(f"{misbehaviour}: the question never reached the server")
    first.kill()
    first.join(5)
    # The supervisor brings the server back, healthy, and the client connects again by itself.
    second = multiprocessing.Process(target=server, args=(port, "none", happened), daemon=True)
    second.start()
    is_answered = answered.wait(patience_s)
    for process in (asking, second):
        process.kill()
        process.join(5)
    return is_answered


def main() -> int:
    """Show all three on both; 0 only if REQ/REP hangs three times and limpet never does."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--patience", type=float, default=5.0, help="seconds to wait for REQ/REP")
    patience_s = parser.parse_args().patience
    is_as_told = True
    for name, misbehaviour in (
        ("the server crashes between recv and send", "crash"),
        ("the client sends invalid JSON", "invalid JSON"),
        ("the server restarts during the handshake", "restart"),
    ):
        is_answered = plain(misbehaviour, patience_s)
        outcome = "answered" if is_answered else f"hangs (still waiting after {patience_s:g} s)"
        recovery_s = ON_LIMPET[misbehaviour]()
        print(
            f"{name}\n  plain REQ/REP: {outcome}\n  limpet's link: answers {recovery_s:.2f} s later"
        )
        is_as_told = is_as_told and not is_answered
    return 0 if is_as_told else 1


if __name__ == "__main__":
    sys.exit(main())
