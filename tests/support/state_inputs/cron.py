"""Inputs of the `cron` states, on a crontab that has all that can stand in one."""

from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from support.fakes.crontab import TAB, FakeCrontab
from support.hosts.rooted import contained
from support.states.state_bench import FakeTree, StateBench
from support.states.state_laws import Arguments, Inputs, Sandbox, World, among, having

NAMES = among("/bin/two", "/bin/bare", "/bin/night", "/bin/n", "/bin/off")
TIMES = ("*", 5, "*/2", "random", "1-5")
FILE = b"# new\n1 2 * * * /bin/new\n"


def world(place: Path) -> World:
    """Give a machine on which root has a crontab and bob has none."""
    crontab = FakeCrontab({"root": TAB})
    bench = StateBench(place, FakeTree({"tab": FILE}), host=contained(crontab.host(), place))
    return Sandbox(bench, lambda: dict(crontab.tabs))


def of(arguments: st.SearchStrategy[Arguments], **changing: Any) -> Inputs:  # noqa: ANN401
    return Inputs(
        world=world,
        arguments=arguments,
        changing=changing,
        examples=50,
        is_announced_in_changes=False,
    )


INPUTS: dict[str, Inputs] = {
    "cron.present": of(
        having(
            {"name": NAMES},
            minute=TIMES,
            hour=TIMES,
            identifier=("n1", "off", "new", False),
            comment=("c", "two\nlines", "nightly"),
            commented=(True, False),
            special=("@daily", "@reboot"),
            user=("root", "bob"),
        ),
        name="/bin/n",
    ),
    "cron.absent": of(
        having({"name": NAMES}, identifier=("n1", "off", "new", False), user=("root", "bob")),
        name="/bin/two",
    ),
    "cron.env_present": of(
        having({"name": among("PATH", "MAILTO", "NEW"), "value": among("/bin", "x y", 1)}),
        name="NEW",
        value="v",
    ),
    "cron.env_absent": of(having({"name": among("PATH", "MAILTO", "NEW")}), name="PATH"),
    "cron.file": of(
        having(
            {"name": among("salt://tab", "salt://gone")},
            user=("root", "bob"),
            replace=(True, False),
        ),
        name="salt://tab",
    ),
}
