"""Descriptors run out: what needs one more waits for it, and no process ends for want of it."""

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from limpet.common.control.replies import MasterStatus
from limpet.common.control.requests import AskStatus
from support.fakes.hand_minion import ask
from support.master.fleet import Fleet, descendants, wait_until


@contextmanager
def _crowd(port: int, number: int) -> Iterator[list[socket.socket]]:
    """Hold so many TCP connections that say nothing."""
    with contextlib.ExitStack() as stack:
        crowd = []
        for _ in range(number):
            plug = stack.enter_context(socket.socket())
            plug.setblocking(False)
            plug.connect_ex(("127.0.0.1", port))
            crowd.append(plug)
        yield crowd


@pytest.mark.covers("B-10", "C7")
def test_connections_that_take_all_descriptors_do_not_end_the_master(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        fleet.start_master()
        path = fleet.master.root / "run" / "master.sock"
        wait_until("the Unix socket is there", path.exists)
        wait_until("the enrolment process runs", lambda: bool(descendants(fleet.master.pid)))
        assert isinstance(ask(path, AskStatus()), MasterStatus)
        taken = len(os.listdir(f"/proc/{fleet.master.pid}/fd"))
        # Room for the client, and for nothing that comes after the crowd.
        soft, hard = resource.prlimit(fleet.master.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(fleet.master.pid, resource.RLIMIT_NOFILE, (taken + 4, hard))
        until = time.monotonic() + 4.0
        while time.monotonic() < until:
            with _crowd(fleet.port, 40):
                for pid in descendants(fleet.master.pid):
                    with contextlib.suppress(ProcessLookupError):
                        os.kill(pid, signal.SIGKILL)  # to start it afresh takes descriptors
                time.sleep(1.0)
        assert fleet.master.is_running, fleet.master.log()[-2000:]
        resource.prlimit(fleet.master.pid, resource.RLIMIT_NOFILE, (soft, hard))
        wait_until("new minions are served again", lambda: _is_open(fleet.enrol_port))
        assert isinstance(ask(path, AskStatus()), MasterStatus)


def _is_open(port: int) -> bool:
    with socket.socket() as probe:
        probe.settimeout(1.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


@pytest.mark.covers("D15")
def test_a_socket_that_cannot_be_had_is_an_error_of_the_family_and_leaves_nothing_open() -> None:
    program = """
import os, resource
from limpet.common.errors import HostError
from limpet.common.transport.sockets import Context, DealerSocket, make_keypair

public, secret = make_keypair()
context = Context()
def dial():
    return DealerSocket(context, address="127.0.0.1", port=9, server_key=public, public_key=public,
                        secret_key=secret, frame_bytes_max=1000, handshake_s=1.0)
first = dial()
soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
taken = len(os.listdir("/proc/self/fd")) - 1
for room in range(3):
    resource.setrlimit(resource.RLIMIT_NOFILE, (taken + room, hard))
    try:
        extra = dial()
    except HostError as error:
        print(error)
    else:
        extra.close()
resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
dial().close()
first.close()
assert context.close()
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "Too many open files" in done.stdout


def test_a_fleet_that_outgrows_its_descriptors_is_a_problem_in_status(tmp_path: Path) -> None:
    with Fleet(tmp_path) as fleet:
        fleet.start_master()
        path = fleet.master.root / "run" / "master.sock"
        wait_until("the Unix socket is there", path.exists)
        before = ask(path, AskStatus())
        assert isinstance(before, MasterStatus)
        assert not any("may open" in problem for problem in before.problems)
        soft, hard = resource.prlimit(fleet.master.pid, resource.RLIMIT_NOFILE)
        resource.prlimit(fleet.master.pid, resource.RLIMIT_NOFILE, (300, hard))
        after = ask(path, AskStatus())
        assert isinstance(after, MasterStatus)
        assert any("may open 300 files" in problem for problem in after.problems)
        assert "may open 300 files" in fleet.limpet("doctor").stdout
        resource.prlimit(fleet.master.pid, resource.RLIMIT_NOFILE, (soft, hard))
