"""Signals to read, one process for one place, and what systemd is told."""

import errno
import os
import select
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from limpet.common.errors import HostError, UsageError
from limpet.common.service.locks import InstanceLock
from limpet.common.service.notify import Notifier
from limpet.common.service.signals import SignalPipe


def test_a_signal_wakes_a_poll_and_is_read_once() -> None:
    before = signal.getsignal(signal.SIGTERM)
    with SignalPipe() as pipe:
        assert pipe.take() == ()
        os.kill(os.getpid(), signal.SIGHUP)
        os.kill(os.getpid(), signal.SIGTERM)
        os.kill(os.getpid(), signal.SIGTERM)
        assert select.select([pipe], [], [], 5)[0] == [pipe]
        assert set(pipe.take()) == {signal.SIGHUP, signal.SIGTERM}
        assert pipe.take() == ()
        for _ in range(5000):
            os.kill(os.getpid(), signal.SIGINT)
        assert pipe.take() == (signal.SIGINT,)
    pipe.close()
    assert signal.getsignal(signal.SIGTERM) is before


def test_a_process_that_starts_itself_afresh_misses_no_signal() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", _AFRESH, "old"],
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    assert (ended.returncode, ended.stdout) == (0, "SIGHUP SIGTERM\n"), ended.stderr


_AFRESH = """
import os, signal, sys
from limpet.common.service.signals import SignalPipe
from limpet.common.service.watchdog import exec_process
if sys.argv[-1] == "old":
    pipe = SignalPipe()
    os.kill(os.getpid(), signal.SIGHUP)  # came, and was not read yet
    held = pipe.hold_over_exec()
    pipe.close()
    os.kill(os.getpid(), signal.SIGTERM)  # comes when nobody listens
    exec_process([sys.executable, *sys.orig_argv[1:-1], "new"], held=held)()
pipe = SignalPipe()
print(*sorted(number.name for number in pipe.take()))
assert not signal.pthread_sigmask(signal.SIG_BLOCK, ())
"""


def test_a_second_process_is_told_who_has_the_place(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    with InstanceLock(path, "a limpet master"):
        began = time.monotonic()
        with pytest.raises(UsageError) as raised:
            InstanceLock(path, "a limpet master", wait_s=0.1)
        assert time.monotonic() - began < 5
    assert str(raised.value) == (
        f"a limpet master runs here already as process {os.getpid()} (lock {path}): "
        "stop it first, or use another --root"
    )
    InstanceLock(path, "a limpet master").close()


@pytest.mark.covers("D6")
def test_a_full_disk_does_not_keep_a_process_from_its_lock(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    path = tmp_path / "lock"
    monkeypatch.setattr(os, "pwrite", refuse)
    with InstanceLock(path, "a limpet minion"), pytest.raises(UsageError, match="runs here"):
        InstanceLock(path, "a limpet minion", wait_s=0)


@pytest.mark.covers("C9")
def test_a_lock_does_not_outlive_a_killed_holder_nor_stay_with_its_children(tmp_path: Path) -> None:
    path = tmp_path / "lock"
    holder = subprocess.Popen(
        [
            sys.executable,
            "-c",
            "import subprocess, sys, time, pathlib\n"
            "from limpet.common.service.locks import InstanceLock\n"
            "lock = InstanceLock(pathlib.Path(sys.argv[1]), 'it')\n"
            "child = subprocess.Popen(['sleep', '30'])\n"
            "print(child.pid, flush=True)\n"
            "time.sleep(30)\n",
            str(path),
        ],
        stdout=subprocess.PIPE,
        text=True,
    )
    assert holder.stdout is not None
    with holder, holder.stdout:
        child = int(holder.stdout.readline())
        try:
            with pytest.raises(UsageError, match=f"process {holder.pid}"):
                InstanceLock(path, "it", wait_s=0)
            holder.kill()
            holder.wait()
            InstanceLock(path, "it", wait_s=5).close()
            os.kill(child, 0)
        finally:
            os.kill(child, signal.SIGKILL)


def test_a_lock_that_cannot_be_made_names_its_file(tmp_path: Path) -> None:
    with pytest.raises(HostError, match="none/lock: can't open the lock file"):
        InstanceLock(tmp_path / "none" / "lock", "it")
    (tmp_path / "link").symlink_to(tmp_path / "target")
    with pytest.raises(HostError, match="link"):
        InstanceLock(tmp_path / "link", "it")


def test_systemd_hears_how_the_service_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = str(tmp_path / "n")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(path)
        monkeypatch.setenv("NOTIFY_SOCKET", path)
        notifier = Notifier()
        notifier.ready("serves\n3 minions")
        notifier.alive()
        notifier.stopping()
        assert [manager.recv(1000) for _ in range(3)] == [
            b"READY=1\nSTATUS=serves 3 minions",
            b"WATCHDOG=1",
            b"STOPPING=1",
        ]
    os.unlink(path)
    notifier.status("nobody hears")
    monkeypatch.delenv("NOTIFY_SOCKET")
    Notifier().ready()
