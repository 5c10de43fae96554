"""A master and minions as real processes on this machine, each in a root folder of its own.

Everything is driven through the `limpet` command and `limpet.Client`, as a user does; every wait
has a limit; `close` leaves no process.
"""

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

LIMPET = str(Path(sys.executable).with_name("limpet"))
WAIT_S = 60.0


def free_port_pair() -> tuple[int, int]:
    """Find two free ports on loopback: the main one and the enrolment one."""
    with socket.socket() as first, socket.socket() as second:
        first.bind(("127.0.0.1", 0))
        second.bind(("127.0.0.1", 0))
        return int(first.getsockname()[1]), int(second.getsockname()[1])


def wait_until(what: str, is_so: Callable[[], bool], within_s: float = WAIT_S) -> float:
    """Wait for a condition and give the seconds it took. Raises `AssertionError` naming it."""
    began = time.monotonic()
    while not is_so():
        if time.monotonic() - began > within_s:
            raise AssertionError(f"waited {within_s:g} s in vain until {what}")
        time.sleep(0.02)
    return time.monotonic() - began


def descendants(pid: int) -> list[int]:
    """List all processes below a process, nearest first."""
    found: list[int] = []
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                found += [int(child), *descendants(int(child))]
    return found


class Node:
    """One long-running limpet process and its root."""

    def __init__(self, fleet: "Fleet", name: str, arguments: list[str]) -> None:
        self.fleet = fleet
        self.name = name
        self.root = fleet.folder / name
        self.root.mkdir(mode=0o700, exist_ok=True)
        self.log_path = fleet.folder / f"{name}.log"
        self.program = [LIMPET, "--root", str(self.root), *arguments]
        """What is started; a test may put another program in its place."""
        self.environment = {**fleet.environment, "TMPDIR": str(self.root)}
        """Jobs see it: what they write below `$TMPDIR` tells who ran them."""
        self.process: subprocess.Popen[bytes] | None = None

    @property
    def pid(self) -> int:
        """Give the pid of the running process."""
        assert self.process is not None
        return self.process.pid

    @property
    def is_running(self) -> bool:
        """Say whether the process lives."""
        return self.process is not None and self.process.poll() is None

    def start(self, *more: str, prefix: tuple[str, ...] = ()) -> None:
        """Start the process in a session of its own, its log in a file."""
        assert not self.is_running, f"{self.name} runs already"
        with self.log_path.open("ab") as log:
            self.process = subprocess.Popen(
                [*prefix, *self.program, *more],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                env=self.environment,
            )

    def signal(self, number: int) -> None:
        """Send a signal to the one process."""
        os.kill(self.pid, number)

    def signal_tree(self, number: int) -> None:
        """Send a signal to the process and to all below it."""
        for pid in (self.pid, *descendants(self.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def kill(self) -> None:
        """Kill -9 the one process and reap it."""
        assert self.process is not None
        self.process.kill()
        self.process.wait(WAIT_S)

    def kill_tree(self, more: tuple[int, ...] = ()) -> None:
        """Kill -9 the process and all below it (and `more`), and reap it."""
        assert self.process is not None
        for pid in (self.pid, *descendants(self.pid), *more):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait(WAIT_S)

    def stop(self) -> int:
        """Ask it to end (SIGTERM) and give its exit code."""
        assert self.process is not None
        self.process.terminate()
        return self.process.wait(WAIT_S)

    def log(self) -> str:
        """Give all that it logged."""
        return self.log_path.read_text(errors="replace") if self.log_path.exists() else ""


class Fleet:
    """One master and some minions; use it as a context manager."""

    def __init__(self, folder: Path, *, minions: int = 0, listen: str = "127.0.0.1") -> None:
        self.folder = folder
        self.environment = {k: v for k, v in os.environ.items() if not k.startswith("LIMPET_")}
        self.port, self.enrol_port = free_port_pair()
        self.host = listen
        self.master = Node(self, "master", ["master"])
        self.minions: dict[str, Node] = {}
        self.join = ""
        (self.master.root / "master.yaml").write_text(
            f"listen: {listen}\nport: {self.port}\nenrol_port: {self.enrol_port}\n"
        )
        self._wanted = minions

    def __enter__(self) -> "Fleet":
        if self._wanted:
            self.start_master()
            self.add_minions(self._wanted)
            self.wait_ready(self._wanted)
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        """End every process, whatever state it is in."""
        for node in (*self.minions.values(), self.master):
            if node.is_running:
                node.signal_tree(signal.SIGCONT)
                node.kill_tree()
        for pid in self.strays():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    def strays(self) -> list[int]:
        """Find processes that were started from one of our roots and belong to no node any more."""
        mark = str(self.folder).encode()
        found = []
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit() and int(entry.name) != os.getpid():
                with contextlib.suppress(OSError):
                    # Fork servers and supervisors name no root; they have its folder as TMPDIR.
                    told = (entry / "cmdline").read_bytes() + (entry / "environ").read_bytes()
                    if mark in told:
                        found.append(int(entry.name))
        return found

    # -- nodes --------------------------------------------------------------------------------

    def start_master(self) -> float:
        """Start the master; gives the seconds until its port is open."""
        self.master.start()
        return wait_until("the master's port is open", self.is_port_open)

    def is_port_open(self, port: int = 0) -> bool:
        """Say whether somebody listens on a port; 0: the main one."""
        with socket.socket() as probe:
            probe.settimeout(1.0)
            return probe.connect_ex((self.host, port or self.port)) == 0

    def make_token(self, uses: int = 100) -> str:
        """Make a join string."""
        done = self.limpet("token", "create", "--uses", str(uses), "--id-pattern", "*")
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    def add_minion(
        self, name: str, *, port: int = 0, enrol_port: int = 0, extra: str = "", starts: bool = True
    ) -> Node:
        """Add a minion that joins by the fleet's token; ports may be a proxy's."""
        node = Node(self, name, ["minion"])
        self.minions[name] = node
        if not self.join:
            self.join = self.make_token()
        (node.root / "minion.yaml").write_text(
            f"id: {name}\nmaster: {self.host}:{port or self.port}\n"
            f"enrol_port: {enrol_port or self.enrol_port}\njoin: {self.join}\n{extra}"
        )
        (node.root / "minion.yaml").chmod(0o600)
        if starts:
            node.start()
        return node

    def add_minions(self, number: int, **options: Any) -> None:  # noqa: ANN401
        """Add web1 … webN."""
        for index in range(1, number + 1):
            self.add_minion(f"web{index}", **options)

    # -- commands -----------------------------------------------------------------------------

    def limpet(
        self, *arguments: str, within_s: float = WAIT_S, root: Path | None = None
    ) -> subprocess.CompletedProcess[str]:
        """Run one limpet command against the master's root."""
        return subprocess.run(
            [LIMPET, "--root", str(root or self.master.root), *arguments],
            capture_output=True,
            text=True,
            timeout=within_s,
            check=False,
            env=self.environment,
        )

    def limpet_json(self, *arguments: str, within_s: float = WAIT_S) -> Any:  # noqa: ANN401
        """Run a command with `--format json` and give what it printed, decoded."""
        verb, *rest = arguments
        done = self.limpet(verb, *rest, "--format", "json", within_s=within_s)
        assert done.stdout, f"exit {done.returncode}: {done.stderr}"
        return json.loads(done.stdout)

    def run_json(
        self, *arguments: str, within_s: float = WAIT_S
    ) -> tuple[int, dict[str, dict[str, Any]]]:
        """Run `limpet run --format json …`; gives the exit code and the minions' results."""
        done = self.limpet("run", "--format", "json", *arguments, within_s=within_s)
        assert done.stdout, f"exit {done.returncode}: {done.stderr}"
        return done.returncode, json.loads(done.stdout)["minions"]

    @contextlib.contextmanager
    def following(self, *arguments: str) -> Iterator[subprocess.Popen[str]]:
        """Start a command that goes on while the test does something else."""
        process = subprocess.Popen(
            [LIMPET, "--root", str(self.master.root), *arguments],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env=self.environment,
        )
        try:
            yield process
        finally:
            if process.poll() is None:
                process.kill()
            process.communicate()

    def states(self) -> dict[str, str]:
        """Give each minion's state as `limpet minions` tells it; empty if the master is away."""
        done = self.limpet("minions", "--format", "json")
        if done.returncode != 0:
            return {}
        return {name: row["state"] for name, row in json.loads(done.stdout)["minions"].items()}

    def ready(self) -> int:
        """Count the minions that are READY."""
        return sum(1 for state in self.states().values() if state == "ready")

    def wait_ready(self, number: int, within_s: float = WAIT_S) -> float:
        """Wait until that many minions are READY; gives the seconds it took."""
        return wait_until(f"{number} minions are READY", lambda: self.ready() >= number, within_s)

    def answering(self, timeout_s: float = 2.0) -> set[str]:
        """Ping all; give those that answered."""
        done = self.limpet("run", "--format", "json", "--timeout", str(timeout_s), "*", "test.ping")
        if not done.stdout:
            return set()
        minions = json.loads(done.stdout)["minions"]
        return {name for name, result in minions.items() if result["status"] == "ok"}

    def wait_answering(self, number: int, within_s: float) -> float:
        """Wait until that many minions answer a ping in one command; gives the seconds."""
        return wait_until(
            f"{number} minions answer", lambda: len(self.answering()) >= number, within_s
        )
