"""limpet on the hosts of a lab: installed as README says, and asked by its command line.

Everything here goes through what a user has: packages, `limpet … setup`, `limpet run`. Hosts may be
off and the master away at any time; what then can't be answered raises LabError.
"""

import json
import shlex
import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from limpet_lab.host import Host
from limpet_lab.lab import MASTER, Lab
from limpet_lab.packages import Packages
from limpet_lab.running import LabError, Result, wait_until

INSTALL_TIMEOUT_S = 180.0
AT_ONCE = 3
"""Hosts that are installed side by side: dpkg waits for the disk half of the time."""


@dataclass(frozen=True, slots=True)
class Answer:
    """One minion's part in a job."""

    status: str
    value: Any
    error: str


@dataclass(frozen=True, slots=True)
class Job:
    """What a command said of a job."""

    jid: str
    minions: dict[str, Answer]

    def status(self, name: str) -> str:
        """Give one minion's status."""
        return self.minions[name].status

    def value(self, name: str) -> Any:  # noqa: ANN401 - whatever a function returns
        """Give what one minion returned."""
        return self.minions[name].value


@dataclass(frozen=True, slots=True)
class Known:
    """A job as the master knows it."""

    job: Job
    is_ended: bool


@dataclass(frozen=True, slots=True)
class Row:
    """One minion, as the master sees it."""

    state: str
    version: str
    address: str
    running: tuple[str, ...]


class Fleet:
    """A lab with limpet on it."""

    def __init__(self, lab: Lab, packages: Packages) -> None:
        self.lab = lab
        self.packages = packages
        self.join = ""

    # Bring-up

    def install(self) -> None:
        """Install the packages on all hosts."""

        def one(host: Host) -> None:
            is_master = host.name == MASTER
            install(host, [self.packages.master if is_master else self.packages.minion])

        for_each(self.lab.hosts, one)

    def set_up(self) -> None:
        """Set the master up, and let all hosts join; returns when all are READY."""
        self.lab.master.exec(["limpet", "master", "setup", "--no-token"], timeout_s=90).checked()
        self.join = self.make_join_string()
        for_each(self.lab.minions, self.join_host)

    def make_join_string(self) -> str:
        """Make a join string for many hosts."""
        made = self.limpet("token", "create", "--uses", "1000", "--ttl", "1d").checked()
        return made.out.strip()

    def join_host(self, host: Host) -> None:
        """Let one host join; returns when its minion is READY."""
        host.exec(
            ["limpet", "minion", "setup", "--join", "-", "--master", MASTER],
            timeout_s=90,
            given=self.join,
        ).checked()

    # Commands

    def limpet(self, *arguments: str, timeout_s: float = 60.0) -> Result:
        """Run a limpet command on the master's host."""
        return self.lab.master.exec(["limpet", *arguments], timeout_s=timeout_s)

    def limpet_json(self, *arguments: str, timeout_s: float = 60.0) -> Any:  # noqa: ANN401
        """Run a command with `--format json`, and give its document; LabError if there is none."""
        done = self.limpet(*arguments, "--format", "json", timeout_s=timeout_s)
        try:
            return json.loads(done.out)
        except json.JSONDecodeError as error:
            said = (done.err or done.out)[-1000:].strip()
            words = " ".join(arguments)
            raise LabError(f"limpet {words} ended with {done.code}, saying: {said}") from error

    def run(
        self, target: str, function: str, *arguments: str,
        options: Sequence[str] = (), timeout_s: float = 60.0,
    ) -> Job:  # fmt: skip
        """Run a function and wait for its end."""
        words = ["run", *options, target, function, *arguments]
        return _job(self.limpet_json(*words, timeout_s=timeout_s))

    def apply(
        self, target: str, *arguments: str, options: Sequence[str] = (), timeout_s: float = 120.0
    ) -> Job:
        """Apply states and wait for the end."""
        return _job(self.limpet_json("apply", *options, target, *arguments, timeout_s=timeout_s))

    def submit(
        self, target: str, function: str, *arguments: str,
        ttl_s: float = 300.0, timeout_s: float = 60.0,
    ) -> str:  # fmt: skip
        """Send a job that waits for minions that are away; returns its jid at once."""
        words = ["run", "--async", "--ttl", f"{ttl_s:g}", target, function, *arguments]
        return self.limpet(*words, timeout_s=timeout_s).checked().out.strip()

    def show(self, jid: str) -> Known:
        """Give a job as it is now."""
        data = self.limpet_json("jobs", "show", jid)
        return Known(_job(data), bool(data["is_ended"]))

    def jids(self, limit: int = 1000) -> set[str]:
        """Give the newest jobs that the master has."""
        listed = self.limpet_json("jobs", "list", "--limit", str(limit))
        return {job["jid"] for job in listed["jobs"]}

    def rows(self) -> dict[str, Row]:
        """Give the minions as the master sees them."""
        minions = self.limpet_json("minions")["minions"]
        return {
            name: Row(each["state"], each["version"], each["address"], tuple(each["running"]))
            for name, each in minions.items()
        }

    def known(self, jids: Iterable[str], timeout_s: float = 60.0) -> dict[str, Known]:
        """Give what the master knows of many jobs now, asked in one go by `limpet.Client`.

        A job that the master doesn't have is missing in the answer.
        """
        python = "/opt/limpet/master/current/bin/python3.11"
        given = "\n".join(jids)
        done = self.lab.master.exec([python, "-I", "-c", _ASK], timeout_s, given=given).checked()
        return {
            jid: Known(
                Job(jid, {name: Answer(*each) for name, each in data["minions"].items()}),
                data["is_ended"],
            )
            for jid, data in json.loads(done.out).items()
        }

    # Waiting

    def ready(self) -> set[str]:
        """Give the minions that are READY; none while the master is away."""
        try:
            return {name for name, row in self.rows().items() if row.state == "ready"}
        except LabError:
            return set()

    def wait_ready(self, *names: str, timeout_s: float = 15.0, version: str = "") -> float:
        """Wait until minions (by default all hosts') are READY; returns the seconds it took.

        `version`: they must have it. Raises LabError with what is known of those that are not.
        """
        wanted = set(names) or {host.name for host in self.lab.minions}

        def are_ready() -> bool:
            try:
                rows = self.rows()
            except LabError:
                return False
            return all(
                name in rows
                and rows[name].state == "ready"
                and (not version or rows[name].version == version)
                for name in wanted
            )

        since = time.monotonic()
        if wait_until(are_ready, timeout_s):
            return time.monotonic() - since
        missing = wanted - self.ready()
        said = "".join(f"\n--- {name}\n{self._trouble(name)}" for name in sorted(missing or wanted))
        raise LabError(f"not READY after {timeout_s:g} s: {', '.join(sorted(missing))}{said}")

    def answering(self, names: Iterable[str]) -> set[str]:
        """Ping some hosts by one command, for a second; returns those that answered."""
        target = ",".join(sorted(names))
        options = ["--list", "--timeout", "1"]
        try:
            job = self.run(target, "test.ping", options=options, timeout_s=10)
        except LabError:  # the master is away
            return set()
        return {name for name, answer in job.minions.items() if answer.status == "ok"}

    def wait_answer(self, *names: str, timeout_s: float = 15.0) -> float:
        """Wait until hosts (by default all) answer a ping; returns the seconds it took.

        Surer than `wait_ready`: the master calls a host ready for some seconds after it has gone.
        """
        wanted = set(names) or {host.name for host in self.lab.minions}
        since = time.monotonic()
        if wait_until(lambda: self.answering(wanted) == wanted, timeout_s):
            return time.monotonic() - since
        missing = sorted(wanted - self.answering(wanted))
        said = "".join(f"\n--- {name}\n{self._trouble(name)}" for name in missing)
        raise LabError(f"no answer after {timeout_s:g} s: {', '.join(missing)}{said}")

    def wait_job(self, jid: str, timeout_s: float = 60.0) -> Job:
        """Wait until a job has ended; raises LabError with its statuses if it doesn't."""
        last: list[Job] = []

        def has_ended() -> bool:
            try:
                known = self.show(jid)
            except LabError:
                return False
            last[:] = [known.job]
            return known.is_ended

        if wait_until(has_ended, timeout_s, pause_s=0.3):
            return last[0]
        raise LabError(f"job {jid} has not ended after {timeout_s:g} s: {last or 'never shown'}")

    def _trouble(self, name: str) -> str:
        host = self.lab.host(name)
        if not host.is_on():
            return "the host is off"
        status = host.exec(["systemctl", "status", "--no-pager", "-n", "15", "limpet-minion"])
        return status.out[-3000:]


_ASK = """
import json, sys
from limpet import Client
from limpet.common.errors import UsageError
answers = {}
with Client() as client:
    for jid in sys.stdin.read().split():
        try:
            job = client.show(jid)
        except UsageError:
            continue
        answers[jid] = {
            "is_ended": job.is_ended,
            "minions": {n: [a.status, a.value, a.error] for n, a in job.minions.items()},
        }
json.dump(answers, sys.stdout, default=repr)
"""


def install(host: Host, files: Iterable[Path]) -> None:
    """Install packages as README says: `dpkg -i`, offline."""
    there = [host.push(file) for file in files]
    host.exec(["dpkg", "-i", *there], timeout_s=INSTALL_TIMEOUT_S).checked()
    host.exec(f"rm -f {shlex.join(there)}").checked()


def for_each(hosts: Iterable[Host], do: Callable[[Host], object]) -> None:
    """Do something on several hosts side by side; raises the first error."""
    with ThreadPoolExecutor(AT_ONCE) as pool:
        for done in [pool.submit(do, host) for host in hosts]:
            done.result()


def _job(data: dict[str, Any]) -> Job:
    return Job(
        data["jid"] or "",
        {
            name: Answer(each["status"], each.get("return"), each.get("error") or "")
            for name, each in data["minions"].items()
        },
    )
