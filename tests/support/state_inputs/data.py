"""Inputs of states on files with a form of their own: archives, ini files."""

import io
import tarfile
import zipfile
from pathlib import Path
from typing import Any

from hypothesis import strategies as st

from support.states.state_bench import FakeTree, StateBench
from support.states.state_laws import Arguments, Inputs, Sandbox, World, among, having

YES_OR_NO = (True, False)
INI = "; c\ntop = 1\n\n[one]\na = 1\nb=2\n# com\nc : 3\n[two]\nx = y z\n\n[empty]\n"


def packed() -> bytes:
    """Make a small tar archive."""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w:gz") as archive:
        for name, text in (("top/a", "A"), ("top/sub/b", "B")):
            info = tarfile.TarInfo(name)
            info.mode, info.size = 0o640, len(text)
            archive.addfile(info, io.BytesIO(text.encode()))
    return stream.getvalue()


def with_archives(place: Path) -> World:
    """Give a tar and a zip archive, and a folder in which one has been unpacked in part."""
    (place / "one.tar.gz").write_bytes(packed())
    with zipfile.ZipFile(place / "one.zip", "w") as archive:
        archive.writestr("top/", "")
        archive.writestr("top/a", "A")
    (place / "part/top").mkdir(parents=True)
    (place / "part/top/a").write_text("changed")
    return Sandbox(StateBench(place, FakeTree({"one.tar.gz": packed()})))


def with_ini(place: Path) -> World:
    """Give an ini file."""
    (place / "f.ini").write_text(INI)
    return Sandbox(StateBench(place))


SECTIONS = among("one", "two", "empty", "new")
OPTIONS = st.dictionaries(among("a", "b", "n"), among("1", 2, "x y", True), max_size=3)


def of_ini(arguments: st.SearchStrategy[Arguments], sections: Any) -> Inputs:  # noqa: ANN401
    return Inputs(
        world=with_ini,
        arguments=arguments.map(lambda each: {"name": "@/f.ini", **each}),
        changing={"name": "@/f.ini", "sections": sections},
        is_announced_in_changes=False,
        examples=40,
    )


INPUTS: dict[str, Inputs] = {
    "archive.extracted": Inputs(
        world=with_archives,
        arguments=having(
            {"name": among("@/out", "@/part"),
             "source": among("@/one.tar.gz", "@/one.zip", "salt://one.tar.gz")},
            enforce_toplevel=YES_OR_NO, trim_output=YES_OR_NO, if_missing=("@/part",),
        ),
        changing={"name": "@/out", "source": "@/one.tar.gz"},
        is_announced_in_changes=False,
    ),
    "ini.options_present": of_ini(
        having({"sections": st.dictionaries(SECTIONS, OPTIONS, max_size=2)}, strict=YES_OR_NO,
               no_spaces=YES_OR_NO),
        {"one": {"a": 9}},
    ),
    "ini.options_absent": of_ini(
        having({"sections": st.dictionaries(SECTIONS, st.lists(among("a", "b", "n"), max_size=2),
                                            max_size=2)}),
        {"one": ["a"]},
    ),
    "ini.sections_present": of_ini(
        having({"sections": st.lists(SECTIONS, max_size=2, unique=True)}), ["new"]
    ),
    "ini.sections_absent": of_ini(
        having({"sections": st.lists(SECTIONS, max_size=2, unique=True)}), ["one"]
    ),
}  # fmt: skip
