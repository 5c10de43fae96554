"""A real master and a real swarm: `limpet master` and `limpet swarm`, driven as a user does.

Both are processes of their own with roots in a temporary directory. Keys are enrolled once and
kept, so every later start is the herd that a power cut makes.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import time
from collections.abc import Iterable, Iterator
from types import TracebackType
from typing import Any, Final

from benchmarks.measuring import Place, cpu_s, tree

from limpet import Client
from limpet.common.errors import LimpetError
from support.master.fleet import LIMPET, Fleet, descendants, wait_until

PATIENCE_S: Final = 120.0
LOOK_S: Final = 0.25
"""How often a master is asked how many are ready while they log in: it has better things to do."""
SETTLED_S: Final = 0.3
"""After this long, processes that stood still have made up for what was due meanwhile."""


def lasting_ports(fleet: Fleet) -> Fleet:
    """Give a fleet ports that no connection can take while the master is away.

    The kernel gives outgoing connections ports from 32768 on; with thousands of them, one that was
    free when it was looked for is soon taken.
    """
    for port in random.sample(range(20_000, 32_000, 2), 100):
        if not fleet.is_port_open(port) and not fleet.is_port_open(port + 1):
            fleet.port, fleet.enrol_port = port + 1, port
            (fleet.master.root / "master.yaml").write_text(
                f"listen: {fleet.host}\nport: {fleet.port}\nenrol_port: {fleet.enrol_port}\n"
            )
            return fleet
    raise AssertionError("no free port between 20000 and 32000")


def signal_all(pids: Iterable[int], number: signal.Signals) -> None:
    """Send a signal to processes, some of which may have ended."""
    for pid in pids:
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)


class Swarm:
    """One `limpet swarm` process that runs, or does not."""

    def __init__(
        self,
        fleet: Fleet,
        minions: int,
        *,
        prefix: str = "swarm-",
        more: tuple[str, ...] = (),
        state: str = "",
    ) -> None:
        self.fleet = fleet
        self.minions = minions
        self.prefix = prefix
        self.state = fleet.folder / f"{state or prefix}-{minions}"
        self.process: subprocess.Popen[bytes] | None = None
        self._more = more
        self._out = fleet.folder / f"{prefix}out.json"
        self._err = fleet.folder / f"{prefix}err.log"

    @property
    def pid(self) -> int:
        """Give the pid of the swarm's own process."""
        assert self.process is not None
        return self.process.pid

    def start(self) -> None:
        """Start it; it joins by a token if it has no keys yet."""
        assert self.process is None
        joining = []
        if not (self.state / "swarm.keys").exists():
            words = ("--uses", str(self.minions), "--id-pattern", f"{self.prefix}*")
            done = self.fleet.limpet("token", "create", *words)
            assert done.returncode == 0, done.stderr
            joining = ["--join", done.stdout.strip()]
        with self._out.open("wb") as out, self._err.open("ab") as err:
            self.process = subprocess.Popen(
                [
                    *(LIMPET, "swarm", str(self.minions), "--format", "json"),
                    *("--master", f"{self.fleet.host}:{self.fleet.port}"),
                    *("--enrol-port", str(self.fleet.enrol_port), "--state", str(self.state)),
                    *("--id-prefix", self.prefix, *joining, *self._more),
                ],
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=err,
                env=self.fleet.environment,
            )

    def stop(self) -> dict[str, Any]:
        """End it, and give the document of what it saw."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        self.process.wait(PATIENCE_S)
        self.process = None
        found: dict[str, Any] = json.loads(self._out.read_text())
        return found

    def kill(self) -> None:
        """End it and all below it, whatever they do."""
        if self.process is not None:
            below = descendants(self.process.pid)
            self.process.kill()
            self.process.wait(PATIENCE_S)
            self.process = None
            signal_all(below, signal.SIGKILL)


class SwarmSide:
    """A master and its swarm of N; use it as a context manager: all are READY inside."""

    def __init__(self, place: Place, minions: int, *, returns: int = 100) -> None:
        folder = place.folder / f"swarm-{minions}"
        folder.mkdir(exist_ok=True)
        if str(folder) not in place.known:
            place.known[str(folder)] = lasting_ports(Fleet(folder))
        self.fleet: Fleet = place.known[str(folder)]
        self.minions = minions
        self.swarm = Swarm(self.fleet, minions, more=("--return-bytes", str(returns)))
        self.more: list[Swarm] = []
        self.login_cpu_s: list[float] = []
        """What each `login` took of the master's CPU, its start left out."""

    def master_cpu_s(self) -> float:
        """Give the CPU seconds that the master and its processes have used so far."""
        return cpu_s(tree(self.fleet.master.pid))

    @property
    def root(self) -> str:
        """Give the master's root, for `limpet.Client`."""
        return str(self.fleet.master.root)

    @property
    def port(self) -> int:
        """Give the master's main port."""
        return self.fleet.port

    def __enter__(self) -> "SwarmSide":
        try:
            self.start()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def start(self) -> None:
        """Start what does not run, and wait until all are READY."""
        if not self.fleet.master.is_running:
            self.fleet.start_master()
        if self.swarm.process is None:
            self.swarm.start()
        self.wait_ready(self.minions)

    def add(self, minions: int, prefix: str, *more: str) -> Swarm:
        """Start a second, smaller swarm at the same master, and wait until it is READY."""
        swarm = Swarm(self.fleet, minions, prefix=prefix, more=more)
        self.more.append(swarm)
        swarm.start()
        self.wait_ready(self.minions + sum(each.minions for each in self.more if each.process))
        return swarm

    def wait_ready(self, number: int, within_s: float = PATIENCE_S) -> None:
        """Wait until so many are READY."""
        with self.client() as client:
            look = lambda: client.status().ready >= number  # noqa: E731
            wait_until(f"{number} minions are READY", look, within_s)

    @contextlib.contextmanager
    def client(self) -> Iterator[Client]:
        """Give a client that waits for a master that is just starting."""
        with Client(root=self.root, first_patience_s=30.0) as client:
            yield client

    def stop(self) -> None:
        """End swarm and master in good order."""
        for swarm in (*self.more, self.swarm):
            if swarm.process is not None:
                swarm.stop()
        self.more = []
        if self.fleet.master.is_running:
            self.fleet.master.stop()

    def login(self) -> float:
        """Start master and swarm anew, all with known keys and all at once, and end both.

        Gives the seconds from the first minion's begin to the last one's READY, by the swarm's own
        clock: who asks the master for it costs it time, and learns of it late.
        """
        self.stop()
        self.fleet.start_master()
        with self.client() as client:
            client.status()  # it has started, then
            used_s = self.master_cpu_s()
            self.swarm.start()
            until = time.monotonic() + PATIENCE_S
            while (ready := client.status().ready) < self.minions:
                assert time.monotonic() < until, f"{ready} of {self.minions} are READY"
                time.sleep(LOOK_S)
            self.login_cpu_s.append(self.master_cpu_s() - used_s)
        took_s = self.swarm.stop()["all_ready_s"]
        self.fleet.master.stop()
        assert took_s is not None, "not all were ready at the same time"
        return float(took_s)

    @contextlib.contextmanager
    def standing_still(self) -> Iterator[None]:
        """Stop master and swarm for a moment: their beats would take time from others."""
        assert self.swarm.process is not None
        pids = [*tree(self.fleet.master.pid), *tree(self.swarm.pid)]
        signal_all(pids, signal.SIGSTOP)
        try:
            yield
        finally:
            signal_all(pids, signal.SIGCONT)
            time.sleep(SETTLED_S)

    def ping_all(self, client: Client) -> float:
        """Run `test.ping` on the swarm; gives seconds. All have to answer."""
        return self.run_all(client, "test.ping")

    def run_all(self, client: Client, *call: str, prefix: str = "", number: int = 0) -> float:
        """Run a function on a swarm; gives seconds. All have to answer, and well."""
        began = time.perf_counter()
        found = client.run(f"{prefix or self.swarm.prefix}*", *call, timeout_s=PATIENCE_S).minions
        took_s = time.perf_counter() - began
        good = sum(each.status == "ok" for each in found.values())
        assert good == len(found) == (number or self.minions), (good, len(found))
        return took_s

    def close(self) -> None:
        """End all processes."""
        for swarm in (*self.more, self.swarm):
            swarm.kill()
        with contextlib.suppress(LimpetError, OSError):
            self.fleet.close()
