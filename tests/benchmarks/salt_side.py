"""An installed Salt beside us: a salt-master and a few salt-minions as processes, below one folder.

Salt's defaults, but for its own ports and folders, keys that are accepted by themselves, and grains
that would ask a name server or look for graphics cards.
"""

import contextlib
import json
import os
import select
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

from support.master.fleet import descendants, wait_until

PATIENCE_S: Final = 120.0


class Driver:
    """One process with Salt's own client, which does one call at a time."""

    def __init__(self, programs: Path, folder: Path) -> None:
        self._log = folder / "driver.log"
        script = Path(__file__).with_name("salt_driver.py")
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [str(programs / "python"), str(script), str(folder / "master")],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )

    def ask(
        self, target: str, function: str, arguments: list[str], timeout_s: int
    ) -> tuple[float, dict[str, Any]]:
        """Run a function; gives seconds, and the answer of each minion."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps([target, function, arguments, timeout_s]) + "\n")
        self._process.stdin.flush()
        if not select.select([self._process.stdout], [], [], PATIENCE_S)[0]:
            raise TimeoutError(f"Salt says nothing for {PATIENCE_S:g} s")
        line = self._process.stdout.readline()
        assert line, self._log.read_text()[-2000:]
        took_s, answers = json.loads(line)
        return float(took_s), answers

    def close(self) -> None:
        """End it."""
        self._process.kill()
        self._process.communicate()


class SaltSide:
    """A master and minions; use it as a context manager: all answer inside."""

    def __init__(self, folder: Path, minions: int, programs: Path, port: int) -> None:
        self.folder = folder
        self.minions = [f"web{number}" for number in range(1, minions + 1)]
        self.states = folder / "states"
        self.pillar = folder / "pillar"
        self._programs = programs
        self._port = port
        self._nodes: dict[str, subprocess.Popen[bytes]] = {}
        self._driver: Driver | None = None

    def __enter__(self) -> "SaltSide":
        try:
            self._write()
            for name in ("master", *self.minions):
                self._start(name)
            self._open_driver()
            self.wait_answering()
        except BaseException:
            self.close()
            raise
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def call(self, function: str, *arguments: str, target: str = "*") -> float:
        """Run a function; gives seconds. All that it is for have to answer."""
        took_s, answers = self._ask(target, function, list(arguments), 60)
        expected = len(self.minions) if target == "*" else 1
        good = sum(answer not in (False, None) for answer in answers.values())
        assert good == len(answers) == expected, answers
        return took_s

    @contextlib.contextmanager
    def callers(self, number: int) -> Iterator[list[Callable[[str], bool]]]:
        """Give so many that ping a minion, each with a client of its own."""
        drivers = [Driver(self._programs, self.folder) for _ in range(number)]

        def ping(driver: Driver, target: str) -> bool:
            return driver.ask(target, "test.ping", [], 60)[1].get(target) is True

        try:
            yield [partial(ping, driver) for driver in drivers]
        finally:
            for driver in drivers:
                driver.close()

    def restart_master(self) -> float:
        """Kill the master, start it at once, and give the seconds until all answer."""
        self._kill("master")
        self._close_driver()
        began = time.perf_counter()
        self._start("master")
        self._open_driver()
        self.wait_answering()
        return time.perf_counter() - began

    def pids_of(self, name: str) -> list[int]:
        """List all processes of the master, or of a minion."""
        pid = self._nodes[name].pid
        return [pid, *descendants(pid)]

    def wait_answering(self) -> None:
        """Wait until one ping is answered by all."""

        def do_all() -> bool:
            _, answers = self._ask("*", "test.ping", [], 2)
            return sum(answer is True for answer in answers.values()) == len(self.minions)

        wait_until("all of Salt's minions answer", do_all, PATIENCE_S)

    def close(self) -> None:
        """End all processes."""
        self._close_driver()
        for name in list(self._nodes):
            self._kill(name)

    # -- inside -----------------------------------------------------------------------------------

    def _write(self) -> None:
        for path in (self.states, self.pillar):
            path.mkdir(parents=True, exist_ok=True)
        usual = "enable_fqdns_grains: false\nenable_gpu_grains: false\nlog_level: error\n"
        roots = (
            f"file_roots:\n  base: ['{self.states}']\npillar_roots:\n  base: ['{self.pillar}']\n"
        )
        for name in ("master", *self.minions):
            place = self.folder / name
            place.mkdir(exist_ok=True)
            text = f"root_dir: {place}\npki_dir: {place}/pki\n{usual}user: root\n"
            if name == "master":
                text += f"interface: 127.0.0.1\npublish_port: {self._port}\n{roots}"
                text += f"ret_port: {self._port + 1}\nauto_accept: true\n"
            else:
                text += f"id: {name}\nmaster: 127.0.0.1\nmaster_port: {self._port + 1}\n"
                text += f"publish_port: {self._port}\n"
            (place / ("master" if name == "master" else "minion")).write_text(text)

    def _start(self, name: str) -> None:
        program = "salt-master" if name == "master" else "salt-minion"
        with (self.folder / f"{name}.log").open("ab") as log:
            self._nodes[name] = subprocess.Popen(
                [str(self._programs / program), "-c", str(self.folder / name)],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )

    def _kill(self, name: str) -> None:
        process = self._nodes.pop(name)
        for pid in (process.pid, *descendants(process.pid)):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        process.wait(PATIENCE_S)

    def _open_driver(self) -> None:
        self._driver = Driver(self._programs, self.folder)

    def _close_driver(self) -> None:
        if self._driver is not None:
            self._driver.close()
            self._driver = None

    def _ask(
        self, target: str, function: str, arguments: list[str], timeout_s: int
    ) -> tuple[float, dict[str, Any]]:
        assert self._driver is not None
        return self._driver.ask(target, function, arguments, timeout_s)
