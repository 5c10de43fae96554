"""From nothing to an answer on five hosts, by the lines that README gives and by nothing else."""

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from limpet_lab import Host
from support.hosts.labs import LabOf

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]

Tell = Callable[[str], None]
README = Path(__file__).parents[2] / "README.md"
ALLOWED_S = 300.0
JOIN = re.compile(r"limpet-join-1\.\S+")


def steps() -> Iterator[tuple[str, str]]:
    """Give README's lines for hosts, and where each is to be typed: `master` or `each`."""
    section = README.read_text(encoding="utf-8").partition("## Install on hosts")[2]
    block = section.split("```")[1]
    where = "here"
    for line in block.strip().splitlines():
        words, _, remark = line.partition(" #")
        if "on the master's host" in remark:
            where = "master"
        elif "on each host" in remark:
            where = "each"
        if words.strip() and where != "here":
            yield where, words.strip()


def type_in(host: Host, line: str, join: str) -> str:
    """Type one line in a shell of the host's; gives what it printed."""
    line = line.replace("JOIN-STRING", join).replace("MASTER", "master")
    return host.exec(f"cd /root && {line}", timeout_s=120).checked().out


def test_five_bare_hosts_answer_within_five_minutes(lab_of: LabOf, tell: Tell) -> None:
    fleet = lab_of(5, is_enrolled=False)
    master, hosts = fleet.lab.master, fleet.lab.minions
    assert master.exec("command -v limpet python3").code != 0, "the hosts are not bare"
    lines = list(steps())
    assert [where for where, _ in lines][:4] == ["master", "master", "each", "each"], lines
    since = time.monotonic()

    master.push(fleet.packages.master)
    for host in hosts:
        host.push(fleet.packages.minion)
    join, said = "JOIN-STRING", ""
    for where, line in lines:
        for host in [master] if where == "master" else hosts:
            said = type_in(host, line, join)
            if found := JOIN.search(said):
                join = found.group()
        if "test.ping" in line:
            answered, took_s = said, time.monotonic() - since

    tell(f"five hosts answer after {took_s:.0f} s, in {len(lines)} lines of README")
    assert answered.count("True") == 5, answered
    assert took_s <= ALLOWED_S
    job = fleet.run("*", "test.ping")
    assert {name: each.status for name, each in job.minions.items()} == {
        host.name: "ok" for host in hosts
    }
    for host in fleet.lab.hosts:
        failed = host.exec("systemctl --failed --plain --no-legend").out
        assert failed == "", (host.name, failed)
