"""Inputs of `alternatives`, `debconf`, `pip` and `virtualenv`, on made-up tools."""

import copy
from pathlib import Path
from typing import Any, cast

from hypothesis import strategies as st

from support.fakes.host import FakeCommands, FakeHost
from support.fakes.tools import FakeAlternatives, FakeDebconf, FakePip, Links
from support.hosts.rooted import contained, rooted_files, rooted_host
from support.states.state_bench import FakeTree, StateBench
from support.states.state_laws import Arguments, Inputs, Sandbox, World, among, having

YES_OR_NO = (True, False)


def with_alternatives(place: Path) -> World:
    """Give a name that is automatic and one that is not, each with two alternatives."""
    fake = FakeAlternatives(
        {
            "editor": Links("/usr/bin/editor", {"/bin/vi": 20, "/bin/nano": 40}),
            "pager": Links("/usr/bin/pager", {"/bin/less": 70, "/bin/more": 50}, "/bin/more"),
        }
    )
    host = rooted_host(place, update_alternatives=fake)
    return Sandbox(StateBench(place, host=host), fake.look)


def with_debconf(place: Path) -> World:
    """Give a database with two answers."""
    fake = FakeDebconf({"p/name": ("string", "one"), "p/flag": ("boolean", "true")})
    host = rooted_host(
        place, debconf_communicate=fake.communicate, debconf_set_selections=fake.set_selections
    )
    tree = FakeTree({"answers": b"# ours\np p/name string two\np p/flag boolean true\n"})
    return Sandbox(StateBench(place, tree, host=host), lambda: dict(fake.answers))


def with_pip(place: Path) -> World:
    """Give a machine and an environment with packages of several versions."""
    present = {"a": "1.0", "b": "2.0"}
    fake = FakePip(
        {"a": ["1.0", "1.5", "2.0"], "b": ["1.0", "2.0"], "c": ["0.1"]},
        {"": dict(present), str(place / "env"): dict(present)},
    )
    python = place / "env/bin/python"
    python.parent.mkdir(parents=True)
    python.touch(mode=0o755)
    (place / "needs").write_text("a>=1.5\nb\n")
    (place / "has").write_text("a\nb\n")
    host = FakeHost(
        FakeCommands({"python3": "/usr/bin/python3"}, fake.answer),
        cast("Any", rooted_files(place)),
    )
    bench = StateBench(place, host=contained(host, place))
    return Sandbox(bench, lambda: copy.deepcopy(fake.present))


def of(
    world: Any,  # noqa: ANN401
    arguments: st.SearchStrategy[Arguments],
    /,
    **changing: Any,  # noqa: ANN401
) -> Inputs:
    return Inputs(world=world, arguments=arguments, changing=changing, examples=30)


NAMES = among("editor", "pager")
PATHS = among("/bin/vi", "/bin/nano", "/bin/less", "/bin/more", "/bin/new")
QUESTIONS = among("p/name", "p/flag", "p/new")
ANSWERS = st.fixed_dictionaries(
    {"type": among("string", "boolean"), "value": among("one", "two", True, 3)}
)
NEEDED = among("a", "a>=1.5", "a==1.0", "A", "b<2", "c", "gone")
SEVERAL = st.lists(NEEDED, min_size=1, max_size=2, unique_by=lambda each: each[0].lower())
"""Of different packages: of one that is to have two versions each run would install the other."""
ENVIRONMENTS = ("@/env", None)

INPUTS: dict[str, Inputs] = {
    "alternatives.install": of(
        with_alternatives,
        having(
            {
                "name": among("editor", "new"),
                "link": among("/usr/bin/editor", "/usr/bin/x"),
                "path": PATHS,
                "priority": among(20, 40, 90),
            }
        ),
        name="new", link="/usr/bin/new", path="/bin/new", priority=1,
    ),
    # Of a name that is gone altogether `remove` fails, as in Salt: both have two alternatives.
    "alternatives.remove": of(
        with_alternatives, having({"name": NAMES, "path": PATHS}), name="editor", path="/bin/vi"
    ),
    "alternatives.auto": of(
        with_alternatives, having({"name": among("editor", "pager", "none")}), name="pager"
    ),
    "alternatives.set": of(
        with_alternatives, having({"name": NAMES, "path": PATHS}), name="editor", path="/bin/vi"
    ),
    "debconf.set": of(
        with_debconf,
        having({"name": among("p"), "data": st.dictionaries(QUESTIONS, ANSWERS, max_size=2)}),
        name="p", data={"p/new": {"type": "string", "value": "x"}},
    ),
    "debconf.set_file": of(
        with_debconf,
        having({"name": among("it"), "source": among("salt://answers", "salt://gone")}),
        name="it", source="salt://answers",
    ),
    "pip.installed": of(
        with_pip,
        st.one_of(
            having({"name": NEEDED}, bin_env=ENVIRONMENTS, upgrade=YES_OR_NO),
            having(
                {"name": among("it"), "pkgs": SEVERAL},
                bin_env=ENVIRONMENTS,
            ),
            having({"name": among("it"), "requirements": among("@/needs", "@/has")},
                   bin_env=ENVIRONMENTS),
        ),
        name="c",
    ),
    "pip.removed": of(with_pip, having({"name": NEEDED}, bin_env=ENVIRONMENTS), name="a"),
    "pip.uptodate": of(with_pip, having({"name": among("it")}, bin_env=ENVIRONMENTS), name="it"),
    # `clear` makes the environment anew in every run, as its name says.
    "virtualenv.managed": of(
        with_pip,
        having(
            {"name": among("@/env", "@/new")},
            pip_pkgs=(["a"], ["c"], ["a>=1.5", "b"], ["gone"]),
            requirements=("@/needs", "@/has"),
            pip_upgrade=YES_OR_NO,
        ),
        name="@/new",
    ),
}  # fmt: skip
