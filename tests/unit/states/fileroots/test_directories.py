"""File roots on disk: overlay, environments, and nothing from outside."""

import os
import socket
from pathlib import Path

import pytest

from limpet.common.errors import SourceError, UsageError
from limpet.states.fileroots.directories import DirectoryRoots
from limpet.states.fileroots.names import candidates, is_inside, parse_address, sls_of


@pytest.fixture
def roots(tmp_path: Path) -> DirectoryRoots:
    for name, text in (
        ("upper/web/init.sls", "upper"),
        ("lower/web/init.sls", "lower"),
        ("lower/web/other.sls", "other"),
        ("dev/only.sls", "dev"),
        ("outside/secret", "secret"),
    ):
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return DirectoryRoots(
        {
            "dev": [str(tmp_path / "dev")],
            "base": [str(tmp_path / "upper"), str(tmp_path / "lower")],
        }
    )


def text_of(roots: DirectoryRoots, path: str, environment: str = "base") -> str | None:
    found = roots.read(path, environment)
    return None if found is None else found.content.decode()


def test_of_several_roots_the_first_that_has_the_file_gives_it(roots: DirectoryRoots) -> None:
    assert text_of(roots, "web/init.sls") == "upper"
    assert text_of(roots, "web/other.sls") == "other"
    assert text_of(roots, "web/none.sls") is None
    assert roots.files("base") == ["web/init.sls", "web/other.sls"]


def test_environments_are_apart_and_base_comes_first(roots: DirectoryRoots) -> None:
    assert roots.environments() == ["base", "dev"]
    assert text_of(roots, "only.sls") is None
    assert text_of(roots, "only.sls", "dev") == "dev"
    assert text_of(roots, "only.sls", "prod") is None


def test_an_unnamed_environment_takes_its_place_in_the_paths_of_env(tmp_path: Path) -> None:
    (tmp_path / "prod").mkdir()
    (tmp_path / "prod/a.sls").write_text("prod")
    roots = DirectoryRoots({"__env__": [str(tmp_path / "__env__")]})
    assert text_of(roots, "a.sls", "prod") == "prod"
    assert text_of(roots, "prod/a.sls", "..") is None


@pytest.mark.covers("B-39", "B-40")
@pytest.mark.parametrize(
    "path",
    [
        "../outside/secret",
        "web/../../outside/secret",
        "..%2foutside/secret",
        "%252e%252e/outside/secret",
        "....//outside/secret",
        "/etc/passwd",
        "//x",
        "web/./init.sls",
        "web//init.sls",
        "web/init.sls/",
        "web\\init.sls",
        "c:/x",
        "~/x",
        "web/init.sls\0",
        "web/init.sls\n",
        "",
        "a" * 5000,
        "a" * 300 + "/b",
        "a/" * 1000 + "b",
    ],
)
def test_no_spelling_of_a_path_leads_outside(roots: DirectoryRoots, path: str) -> None:
    assert text_of(roots, path) is None
    assert not roots.exists(path, "base")


@pytest.mark.covers("B-41")
def test_links_lead_to_what_is_inside_and_to_nothing_else(
    roots: DirectoryRoots, tmp_path: Path
) -> None:
    upper = tmp_path / "upper"
    (upper / "inside").symlink_to("web/init.sls")
    (upper / "absolute").symlink_to(upper / "web/init.sls")
    (upper / "folder").symlink_to("web")
    (upper / "web/up").symlink_to("../inside")
    assert [text_of(roots, each) for each in ("inside", "absolute", "web/up")] == ["upper"] * 3
    assert text_of(roots, "folder/init.sls") == "upper"

    (upper / "shadow").symlink_to("/etc/shadow")
    (upper / "slash").symlink_to("/")
    (upper / "escape").symlink_to("../outside/secret")
    (upper / "self").symlink_to("self")
    (upper / "dir").symlink_to(tmp_path / "outside")
    for path in ("shadow", "slash/etc/passwd", "escape", "self", "dir/secret"):
        with pytest.raises(SourceError):
            roots.read(path, "base")
    assert "shadow" not in roots.files("base")
    assert "dir/secret" not in roots.files("base")


def test_a_chain_of_links_ends(roots: DirectoryRoots, tmp_path: Path) -> None:
    for number in range(50):
        (tmp_path / f"upper/l{number}").symlink_to(f"l{number + 1}")
    (tmp_path / "upper/l50").write_text("end")
    with pytest.raises(SourceError, match="symbolic links"):
        roots.read("l0", "base")


@pytest.mark.covers("B-43", "B-45")
def test_what_is_no_regular_file_is_not_read(roots: DirectoryRoots, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "upper/pipe")
    with socket.socket(socket.AF_UNIX) as listening:
        listening.bind(str(tmp_path / "upper/socket"))
        for path in ("pipe", "socket"):
            with pytest.raises(SourceError, match="regular file"):
                roots.read(path, "base")
    assert roots.read("web", "base") is None
    assert "pipe" not in roots.files("base")
    (tmp_path / "upper/big").write_bytes(b"x" * (1024 * 1024 + 1))
    with pytest.raises(SourceError, match="larger than"):
        roots.read("big", "base")
    (tmp_path / "upper/empty").write_bytes(b"")
    assert text_of(roots, "empty") == ""


def test_a_loop_of_folders_is_listed_once(roots: DirectoryRoots, tmp_path: Path) -> None:
    (tmp_path / "upper/web/again").symlink_to("..")
    assert roots.files("base") == ["web/init.sls", "web/other.sls"]


def test_names_and_addresses() -> None:
    assert candidates("web.sub") == ("web/sub.sls", "web/sub/init.sls")
    assert [sls_of(each) for each in ("web/init.sls", "a.sls", "a/b.jinja", "init.sls")] == [
        "web",
        "a",
        None,
        "init",
    ]
    assert parse_address("salt://a/b?saltenv=dev") == ("a/b", "dev")
    assert parse_address("salt://a/b") == ("a/b", None)
    with pytest.raises(UsageError):
        parse_address("salt://a/../../etc/passwd")
    assert is_inside("a/b")
    assert not is_inside("a/..")
