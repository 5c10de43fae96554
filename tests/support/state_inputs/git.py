"""Inputs of the `git` states: checkouts of one small repository, in the state that runs leave."""

import atexit
import functools
import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

from hypothesis import strategies as st

from support.states.state_bench import StateBench
from support.states.state_laws import Arguments, Inputs, Sandbox, World, among, having


def git(place: Path, *words: str) -> None:
    """Run git in a folder."""
    who = ["-c", "user.name=n", "-c", "user.email=a@b", "-c", "init.defaultBranch=main"]
    subprocess.run(["git", *who, *words], cwd=place, check=True, capture_output=True)


@functools.cache
def origin() -> Path:
    """Make a folder with a repository `up`, and clones of it: at an old commit, changed, bare."""
    place = Path(tempfile.mkdtemp(prefix="limpet-law-git-"))
    atexit.register(shutil.rmtree, place, ignore_errors=True)
    up = place / "up"
    up.mkdir()
    git(up, "init", "-q", "-b", "main")
    for number in (1, 2):
        (up / "f").write_text(f"{number}\n")
        git(up, "add", "f")
        git(up, "commit", "-qm", str(number))
        git(up, "tag", f"v{number}")
    git(up, "checkout", "-q", "-b", "dev", "v1")
    (up / "g").write_text("d\n")
    git(up, "add", "g")
    git(up, "commit", "-qm", "d")
    git(up, "checkout", "-q", "main")
    for name in ("old", "changed"):
        git(place, "clone", "-q", "up", name)
        git(place / name, "reset", "-q", "--hard", "v1")
    (place / "changed/f").write_text("own\n")
    (place / "full").mkdir()
    (place / "full/file").write_text("x")
    return place


def world(place: Path) -> World:
    """Give a copy of that folder, in which no settings of the user or the machine hold."""
    os.environ["GIT_CONFIG_GLOBAL"] = str(place / "gitconfig")
    shutil.copytree(origin(), place, symlinks=True, dirs_exist_ok=True)
    for name in ("old", "changed"):
        git(place / name, "remote", "set-url", "origin", str(place / "up"))
    return _Checkouts(StateBench(place))


class _Checkouts(Sandbox):
    """Looks at files, heads, branches and settings; what git keeps for itself does not count.

    Nor does what a branch follows: as in Salt, that it follows nothing any more stands in the
    comment alone.
    """

    def look(self) -> object:
        found = {}
        for path in sorted(self.bench.place.rglob("*")):
            name = str(path.relative_to(self.bench.place))
            inside = name.partition(".git/")[2]
            is_told = inside in ("", "HEAD", "config", "packed-refs") or inside.startswith("refs/")
            if path.is_file() and is_told and not name.startswith(".state"):
                text = path.read_bytes().decode(errors="replace")
                found[name] = (
                    re.sub(r"(?m)^\[branch [^\[]*", "", text) if inside == "config" else text
                )
        return found


ORIGIN: Arguments = {"name": "@/up"}
TARGETS = among("@/new", "@/old", "@/changed", "@/full")
SETTINGS = among("user.name", "core.editor", "limpet.law")


def of(
    arguments: st.SearchStrategy[Arguments],
    changing: Arguments,
    given: Arguments,
) -> Inputs:
    return Inputs(
        world=world,
        arguments=arguments.map(lambda each: {**given, **each}),
        changing={**given, **changing},
        examples=6,
        needs="git",
    )


INPUTS: dict[str, Inputs] = {
    "git.latest": of(
        having(
            {"target": TARGETS},
            rev=("main", "dev", "v1", "gone"),
            branch=("main", "local"),
            force_reset=(True, False),
            force_clone=(True,),
        ),
        {"target": "@/new"},
        ORIGIN,
    ),
    "git.detached": of(
        having({"target": TARGETS, "rev": among("main", "v1", "gone")}, force_clone=(True,)),
        {"target": "@/new", "rev": "v1"},
        ORIGIN,
    ),
    "git.cloned": of(
        having({"target": TARGETS}, branch=("dev", "gone")), {"target": "@/new"}, ORIGIN
    ),
    "git.present": of(
        having({"name": TARGETS}, bare=(True, False), force=(True, False)), {"name": "@/new"}, {}
    ),
    "git.config_set": of(
        having({"name": SETTINGS}, value=("a", "b"), multivar=(["a", "b"],)).map(
            lambda each: (
                {"value": "a", **each}
                if "multivar" not in each
                else {key: each[key] for key in each if key != "value"}
            )
        ),
        {"name": "limpet.law", "value": "a"},
        {"repo": "@/old"},
    ),
    "git.config_unset": of(
        having({"name": among("user.name", "remote.origin.url", "core.bare")}, all=(True, False)),
        {"name": "core.bare"},
        {"repo": "@/old"},
    ),
}
