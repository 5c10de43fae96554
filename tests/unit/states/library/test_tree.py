import time
from collections.abc import Mapping
from pathlib import Path

import pytest

from limpet.common.errors import HostError
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.fileroots.downloads import Downloads
from limpet.states.fileroots.served.cache import FileCache
from limpet.states.library.tree import RootsTree
from limpet.states.sls.renderers import Renderers
from limpet.states.sls.surroundings import Surroundings


@pytest.fixture
def roots(tmp_path: Path) -> Mapping[str, list[str]]:
    for name, text in {
        "upper/web/conf": "upper\n",
        "lower/web/conf": "lower\n",
        "lower/web/sub/other": "other\n",
        "lower/web/tpl": "{% from './macros' import m %}{{ m(x) }} {{ grains.os }}\n",
        "lower/web/macros": "{% macro m(x) %}<{{ x }}>{% endmacro %}",
        "dev/only": "dev\n",
    }.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    (tmp_path / "lower/web/empty").mkdir()
    (tmp_path / "lower/web/link").symlink_to("conf")
    (tmp_path / "lower/web/out").symlink_to("/etc/hostname")
    return {
        "base": [str(tmp_path / "upper"), str(tmp_path / "lower")],
        "dev": [str(tmp_path / "dev")],
    }


@pytest.fixture
def tree(roots: Mapping[str, list[str]], tmp_path: Path) -> RootsTree:
    surroundings = Surroundings(minion_id="web1", grains={"os": "Debian"})
    cache = FileCache(tmp_path / "cache")
    return RootsTree(
        DirectoryRoots(roots),
        lambda: Renderers(DirectoryRoots(roots), surroundings),
        lambda: Downloads(cache, time.monotonic, time.sleep),
    )


def test_the_uppermost_file_is_read_and_an_address_may_name_its_environment(
    tree: RootsTree, tmp_path: Path
) -> None:
    assert tree.read("salt://web/conf", "base") == b"upper\n"
    assert tree.read("salt://only", "base") is None
    assert tree.read("salt://only?saltenv=dev", "base") == b"dev\n"
    assert tree.read(f"{tmp_path}/dev/only", "base") == b"dev\n"
    assert tree.read(f"file://{tmp_path}/dev/only", "base") == b"dev\n"
    assert tree.read(f"{tmp_path}/gone", "base") is None


@pytest.mark.parametrize("source", ["salt://../dev/only", "salt://web/../../dev/only"])
def test_nothing_outside_the_roots_is_read(tree: RootsTree, source: str) -> None:
    with pytest.raises(HostError, match="does not lead to a file inside"):
        tree.read(source, "base")


def test_a_link_out_of_the_roots_is_not_followed(tree: RootsTree) -> None:
    with pytest.raises(HostError):
        tree.read("salt://web/out", "base")


def test_folders_are_listed_relative_to_themselves(tree: RootsTree) -> None:
    names = tree.names("salt://web", "base")

    assert {"conf", "sub/other", "tpl", "macros"} <= set(names)
    assert "out" not in names
    assert tree.folders("salt://web", "base") == ["empty", "sub"]
    assert tree.links("salt://web/", "base") == {"link": "conf", "out": "/etc/hostname"}
    assert tree.names("salt://gone", "base") == []


def test_a_source_has_a_mode(tree: RootsTree, tmp_path: Path) -> None:
    (tmp_path / "upper/web/conf").chmod(0o640)

    assert tree.mode("salt://web/conf", "base") == 0o640
    assert tree.mode("salt://gone", "base") is None


def test_a_template_is_rendered_with_the_states_variables(tree: RootsTree) -> None:
    text = "{{ x }} {{ grains.os }} {{ saltenv }}\n"

    rendered = tree.render(text, "jinja", {"x": 1}, saltenv="base", source="salt://web/tpl")

    assert rendered == "1 Debian base\n"


def test_a_wrong_template_is_told_with_its_place(tree: RootsTree) -> None:
    with pytest.raises(HostError, match="line 2"):
        tree.render("a\n{{ nothing }}\n", "jinja", {}, saltenv="base", source="salt://web/tpl")
    with pytest.raises(HostError, match="mako is not supported"):
        tree.render("", "mako", {}, saltenv="base", source="x")


def test_a_python_template_gives_text(tree: RootsTree) -> None:
    text = "def run():\n    return f'{x} {__grains__[\"os\"]}'\n"

    assert tree.render(text, "py", {"x": 1}, saltenv="base", source="x") == "1 Debian"


def test_a_server_that_is_not_there_is_an_error(tree: RootsTree) -> None:
    with pytest.raises(HostError, match="can't be fetched"):
        tree.read("http://127.0.0.1:1/x", "base")
