"""Tries what a service that was taken over would try; prints what became of each attempt, as JSON.

Runs on a host, by the package's own interpreter, under the sandbox of a unit; it uses nothing but
the standard library. `done`: it worked. Anything else is the error that stopped it.
"""

import ctypes
import json
import mmap
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

FORKS_MAX = 400
_CLONE_NEWUSER = 0x10000000
_PTRACE_ATTACH = 16
_libc = ctypes.CDLL(None, use_errno=True)


def called(result: int) -> None:
    """Raise the error of a call of the C library that failed."""
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, os.strerror(number))


def write(path: str) -> None:
    """Make a file, or change one that is there."""
    with open(path, "a") as file:
        file.write("x")


def trace_own_child() -> None:
    """Attach to a child, which every process may without a sandbox."""
    child = subprocess.Popen(["/bin/sleep", "30"])
    try:
        called(_libc.ptrace(_PTRACE_ATTACH, child.pid, None, None))
    finally:
        child.kill()
        child.wait()


def mount() -> None:
    """Put another file system over /tmp."""
    called(_libc.mount(b"none", b"/tmp", b"tmpfs", 0, None))


def unshare() -> None:
    """Become root of a user namespace."""
    called(_libc.unshare(_CLONE_NEWUSER))


def fork_many() -> None:
    """Hold many processes at once. The error tells how many there were."""
    children: list[int] = []
    try:
        while len(children) < FORKS_MAX:
            child = os.fork()
            if child == 0:
                signal.pause()
                os._exit(0)
            children.append(child)
    except OSError as error:
        raise OSError(error.errno, f"{len(children)} processes and no more") from error
    finally:
        for child in children:
            os.kill(child, signal.SIGKILL)
        for child in children:
            os.waitpid(child, 0)


def see_init() -> None:
    """Look at a process of another user."""
    Path("/proc/1/status").read_text()


def make_suid(directory: str) -> None:
    """Leave a program behind that runs as its owner."""
    path = Path(directory) / "suid"
    path.write_text("#!/bin/sh\n")
    try:
        path.chmod(0o4755)
    finally:
        path.unlink()


def connect(path: str) -> None:
    """Speak to somebody's Unix socket."""
    with socket.socket(socket.AF_UNIX) as plug:
        plug.connect(path)


def limit() -> None:
    """Set a limit, as it is done for templates."""
    soft, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (soft, hard))


def start_own_interpreter() -> None:
    """Start what the pillar fork server is started with."""
    program = [sys.executable, "-I", "-c", "import ctypes, sqlite3, zmq, cryptography.fernet"]
    subprocess.run(program, check=True, timeout=30)


def attempts(state: str) -> dict[str, Callable[[], object]]:
    """Give all attempts by name; `state` is a directory that is the service's own, or empty."""
    files = ("/etc/limpet/x", "/etc/x", "/usr/bin/x", "/opt/limpet/master/current/bin/limpet",
             "/srv/limpet/states/x", "/run/x", "/var/lib/x", "/root/x", "/sys/kernel/x",
             "/proc/sys/kernel/core_pattern", "/dev/kmsg")  # fmt: skip
    named: dict[str, Callable[[], object]] = {
        f"write {path}": _bound(write, path) for path in files
    }
    for path in ("/home/somebody/open", "/root/open", "/etc/shadow", "/var/lib/limpet/lock"):
        named[f"read {path}"] = _bound(_read, path)
    named |= {
        "ptrace": trace_own_child,
        "mount": mount,
        "user namespace": unshare,
        "raw socket": lambda: socket.socket(socket.AF_INET, socket.SOCK_RAW, 1).close(),
        "packet socket": lambda: socket.socket(socket.AF_PACKET, socket.SOCK_RAW).close(),
        "many forks": fork_many,
        "writable code": lambda: mmap.mmap(
            -1, 4096, prot=mmap.PROT_READ | mmap.PROT_WRITE | mmap.PROT_EXEC
        ).close(),
        "real time": lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1)),
        "nice": lambda: os.setpriority(os.PRIO_PROCESS, 0, -5),
        "host name": lambda: socket.sethostname("other"),
        "clock": lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()),
        "other user": lambda: os.setuid(1),
        "other's processes": see_init,
        "speak to the master": _bound(connect, "/run/limpet/master.sock"),
        "speak to systemd": _bound(connect, "/run/systemd/private"),
        "limit": limit,
        "interpreter": start_own_interpreter,
        "tcp": lambda: socket.create_server(("0.0.0.0", 0)).close(),
    }
    if state:
        named["write state"] = _bound(write, f"{state}/probe")
        named["suid"] = _bound(make_suid, state)
    return named


def _read(path: str) -> None:
    Path(path).read_bytes()


def _bound(do: Callable[[str], object], path: str) -> Callable[[], object]:
    return lambda: do(path)


def tried(do: Callable[[], object]) -> str:
    """Make one attempt and say what became of it."""
    try:
        do()
    except (OSError, ValueError, subprocess.SubprocessError) as error:
        return f"{type(error).__name__}: {error}"
    return "done"


def main() -> None:
    """Try everything."""
    state = os.environ.get("STATE_DIRECTORY", "")
    print(json.dumps({name: tried(do) for name, do in attempts(state).items()}))


if __name__ == "__main__":
    main()
