"""Looking at and signalling processes through /proc, without ever hitting the wrong one.

A pid is only a name that is used again; a process here is a pid with its start time. Signals go
through a pidfd that was checked against that start time. Linux 5.3 or newer.
"""

import os
import signal
from collections.abc import Iterator
from typing import Final, NamedTuple

PAGE_BYTES: Final = os.sysconf("SC_PAGE_SIZE")


class Process(NamedTuple):
    """One process as /proc/PID/stat shows it."""

    pid: int
    parent: int
    session: int
    state: str
    """One letter; Z and X are dead."""
    start: int
    """Clock ticks after the boot (field 22)."""

    @property
    def is_dead(self) -> bool:
        """Say whether only its exit status is left."""
        return self.state in "ZX"


def look(pid: int) -> Process | None:
    """Give the process of that pid; None if there is none."""
    try:
        descriptor = os.open(f"/proc/{pid}/stat", os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        text = os.read(descriptor, 4096)
    except OSError:
        return None  # it ended between the two calls
    finally:
        os.close(descriptor)
    # The name stands in brackets and may hold anything, brackets too: the fields follow the last.
    fields = text[text.rfind(b")") + 2 :].split()
    return Process(pid, int(fields[1]), int(fields[3]), fields[0].decode(), int(fields[19]))


def start_time(pid: int) -> int:
    """Give the start time of a process; 0 if there is none (none starts at 0 but the first)."""
    found = look(pid)
    return 0 if found is None else found.start


def everything() -> list[Process]:
    """Give all processes there are, the dead ones included."""
    found = (look(int(name)) for name in os.listdir("/proc") if name.isdigit())
    return [process for process in found if process is not None]


def descendants(root: int) -> list[Process]:
    """Give the living children, grandchildren … of a process, parents before their children."""
    children: dict[int, list[Process]] = {}
    for process in everything():
        children.setdefault(process.parent, []).append(process)
    tree: list[Process] = []
    waiting = [root]
    while waiting:
        below = children.pop(waiting.pop(), ())
        tree += below
        waiting += [process.pid for process in below]
    return [process for process in tree if not process.is_dead]


def below(root: int) -> Iterator[Process]:
    """Give the same processes by asking each for its children: quick, and good enough to measure.

    One that is being made or ends meanwhile may be missed.
    """
    waiting = [root]
    seen = {root}
    while waiting:
        for pid in _children(waiting.pop()):
            process = None if pid in seen else look(pid)
            if process is not None and not process.is_dead:
                seen.add(pid)
                waiting.append(pid)
                yield process


def _children(pid: int) -> list[int]:
    """Give the children of all threads of a process; a kernel that does not list them is asked."""
    found: list[int] = []
    try:
        threads = os.listdir(f"/proc/{pid}/task")
    except OSError:
        return []
    for thread in threads:
        try:
            with open(f"/proc/{pid}/task/{thread}/children", "rb", buffering=0) as file:
                text = file.read()
        except FileNotFoundError:
            if not os.path.exists(f"/proc/{pid}/task/{thread}"):
                continue
            return [each.pid for each in everything() if each.parent == pid]
        except OSError:
            continue
        found += [int(word) for word in text.split()]
    return found


def name_of(pid: int) -> str:
    """Give the name that a process has in `ps`, printable; empty if it is gone."""
    try:
        with open(f"/proc/{pid}/comm", "rb") as file:
            name = file.read(64).decode("utf-8", "replace").strip()
    except OSError:
        return ""
    return "".join(letter if letter.isprintable() else "?" for letter in name)


def members(session: int) -> list[Process]:
    """Give the living processes of a session."""
    return [found for found in everything() if found.session == session and not found.is_dead]


def send(process: Process, *signals: int) -> None:
    """Send signals to exactly this process; one that has ended, or is not ours, is passed over."""
    try:
        descriptor = os.pidfd_open(process.pid)
    except OSError:
        return
    try:
        if start_time(process.pid) == process.start:
            for number in signals:
                signal.pidfd_send_signal(descriptor, number)
    except OSError:
        return  # it has ended, or became another user's: nothing to be done from here
    finally:
        os.close(descriptor)


def memory_of_host() -> int:
    """Give the bytes of main memory of this host."""
    return os.sysconf("SC_PHYS_PAGES") * PAGE_BYTES


def say(status: int) -> str:
    """Put a wait status into words: `was ended by signal 11 (SIGSEGV)`, `exited with 3`."""
    code = os.waitstatus_to_exitcode(status)
    if code >= 0:
        return f"exited with {code}"
    try:
        name = f" ({signal.Signals(-code).name})"
    except ValueError:
        name = ""  # a real-time signal
    return f"was ended by signal {-code}{name}"
