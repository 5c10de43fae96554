"""A fork server whose functions do everything that a job should not do. Run as a program.

It adds the execution module `nasty` to the registry and then is the ordinary fork server.
"""

import ctypes
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from types import FunctionType, ModuleType
from typing import Any

from limpet.minion.workers import fork_server
from limpet.states.context import FunctionContext
from limpet.states.functions import registry

Context = FunctionContext


def sleep_three(context: Context, marks: str) -> None:
    """Start `sleep` directly, in the background, in a session of its own; all leave their pid."""
    program = 'echo $$ > "$0/$1"; exec sleep 1000'
    for name in ("background", "session", "stopped"):
        argv = ["/bin/sh", "-c", program, marks, name]
        started = subprocess.Popen(argv, start_new_session=name == "session")
        if name == "stopped":
            _wait_for_file(Path(marks, name))
            os.kill(started.pid, signal.SIGSTOP)
    orphan = '(setsid /bin/sh -c \'echo $$ > "$0/orphan"; exec sleep 1000\' "$0" &) &'
    subprocess.run(["/bin/sh", "-c", orphan, marks], check=True)
    _wait_for_file(Path(marks, "orphan"))
    subprocess.run(["/bin/sh", "-c", program, marks, "direct"], check=True)


def ignore_everything(context: Context, marks: str) -> None:
    """Ignore SIGTERM, in the worker and in a child, for ever; put something out first."""
    print("before the end", flush=True)
    program = 'trap "" TERM HUP INT; echo $$ > "$0/child"; while :; do sleep 1; done'
    subprocess.Popen(["/bin/sh", "-c", program, marks])
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    Path(marks, "worker").write_text(str(os.getpid()))
    while True:
        time.sleep(1)


def fork_fifty(context: Context, marks: str) -> None:
    """Fork children that fork again when they hear SIGTERM."""
    program = 'trap "sleep 1000 & sleep 1000 &" TERM; echo $$ > "$0/$1"; while :; do sleep 5; done'
    for number in range(50):
        subprocess.Popen(["/bin/sh", "-c", program, marks, str(number)])
    time.sleep(1000)


def daemon(context: Context, marks: str) -> str:
    """Leave a daemon behind that holds every descriptor it got, and return at once."""
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            Path(marks, "daemon").write_text(str(os.getpid()))
            time.sleep(1000)
        os._exit(0)
    _wait_for_file(Path(marks, "daemon"))
    return "left one"


def exit_now(context: Context, status: int) -> None:
    """End the process without a word."""
    os._exit(status)


def segfault(context: Context) -> None:
    """Read from nowhere."""
    ctypes.string_at(0)


def kill_self(context: Context, number: int) -> None:
    """End the worker by a signal."""
    print("last words", flush=True)
    os.kill(os.getpid(), number)
    time.sleep(10)


def kill_group(context: Context) -> str:
    """Do what scripts do with `kill 0`, TERM ignored here."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    os.kill(0, signal.SIGTERM)
    return "alive"


def leave(context: Context) -> None:
    """Raise what only ends processes."""
    sys.exit(3)


def eat_memory(context: Context, mib: int) -> int:
    """Fill memory in a child, which is the job's as well."""
    program = f"b=[bytearray(b'x'*1048576) for _ in range({mib})]; import time; time.sleep(60)"
    code = subprocess.run([sys.executable, "-I", "-c", program], check=False).returncode
    if code:
        raise RuntimeError(f"{code}")
    return code


def eat_itself(context: Context, mib: int) -> int:
    """Fill memory in the worker."""
    return len([bytearray(b"x" * 1048576) for _ in range(mib)])


def eat_in_many(context: Context, processes: int, mib: int) -> None:
    """Fill memory in many small processes."""
    program = f"b=bytearray(b'x'*1048576)*{mib}; import time; time.sleep(60)"
    started = [subprocess.Popen([sys.executable, "-I", "-c", program]) for _ in range(processes)]
    for each in started:
        each.wait()


def share_by_forking(context: Context, processes: int, mib: int) -> str:
    """Have one large memory and children that only look at it."""
    block = bytearray(os.urandom(1024)) * (1024 * mib)
    children = []
    for _ in range(processes):
        child = os.fork()
        if child == 0:
            time.sleep(1.5)
            os._exit(0)
        children.append(child)
    for child in children:
        os.waitpid(child, 0)
    return f"{len(block)}"


def eat_shared(context: Context, path: str, mib: int) -> None:
    """Fill a file in memory; an empty path: one without a name."""
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT) if path else os.memfd_create("eaten")
    for _ in range(mib):
        os.write(descriptor, bytes(1024 * 1024))
    time.sleep(20)


def flood(context: Context, mib: int) -> str:
    """Put out that much, as fast as it is taken."""
    block = bytes(range(256)) * 4096
    os.write(1, b"first words\n")
    for _ in range(mib):
        view = memoryview(block)
        while view:
            view = view[os.write(1, view) :]
    os.write(1, b"last words\n")
    return "done"


def flood_for_ever(context: Context) -> None:
    """Put out without end."""
    subprocess.run(["yes"], check=False)


def stream(context: Context, lines: int, pause_s: float) -> str:
    """Put out line by line."""
    for number in range(lines):
        context.stream(b"line %d\n" % number)
        time.sleep(pause_s)
    return "streamed"


def give(context: Context, what: str) -> Any:  # noqa: ANN401
    """Return what can't be written down, or is too much of it."""
    circle: list[Any] = []
    circle.append(circle)
    values: dict[str, Any] = {
        "object": object(),
        "circle": circle,
        "set": {3, 1, 2},
        "bytes": bytes(range(256)),
        "surrogate": bytes(range(256)).decode("utf-8", "surrogateescape"),
        "huge": 10**5000,
        "function": give,
        "broken": _Broken(),
        "nothing": None,
        "large": "x" * 1_000_000,
    }
    return values[what]


def environment(context: Context) -> dict[str, Any]:
    """Say in what a job runs."""
    umask = os.umask(0o077)
    descriptors: dict[str, str] = {}
    for name in sorted(os.listdir("/proc/self/fd"), key=int):
        try:
            descriptors[name] = os.readlink(f"/proc/self/fd/{name}")
        except OSError:
            continue  # the one that lists
    return {
        "cwd": os.getcwd(),
        "umask": umask,
        "environment": dict(os.environ),
        "descriptors": descriptors,
        "user": context.user,
        "jid": context.jid,
    }


def nap(context: Context, marks: str, seconds: float) -> str:
    """Leave a mark each time it runs, sleep, return."""
    with Path(marks, "runs").open("a") as file:
        file.write("ran\n")
    time.sleep(seconds)
    return "woke up"


class _Broken:
    def __repr__(self) -> str:
        raise ValueError("not even this")


def _wait_for_file(path: Path) -> None:
    end = time.monotonic() + 20
    while not (path.exists() and path.read_text().strip()):
        assert time.monotonic() < end, path
        time.sleep(0.01)


def _add_module() -> None:
    module = ModuleType("limpet.states.functions.nasty")
    for name, value in list(globals().items()):
        if isinstance(value, FunctionType) and not name.startswith("_"):
            value.__module__ = module.__name__
            setattr(module, name, value)
    sys.modules[module.__name__] = module
    setattr(registry, "MODULES", (*registry.MODULES, "nasty"))  # noqa: B010 - a constant


if __name__ == "__main__":
    _add_module()
    fork_server.main()
