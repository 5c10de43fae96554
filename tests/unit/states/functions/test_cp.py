"""`cp.*` on files that a master serves, and on the minion's own roots."""

import hashlib
from pathlib import Path
from typing import Any

import pytest

from limpet.common.errors import HostError
from limpet.states.context import FunctionContext
from limpet.states.functions import registry
from support.fakes.host import make_context
from support.fakes.sources import FakeSources

FILES = {
    "a/f": b"hi\n",
    "a/sub/g": b"deep\n",
    "t": b"hi {{ x }} {{ grains.id }}\n",
    "b/init.sls": b"x: test.nop\n",
}
DEV = {"d": b"dev\n"}


@pytest.fixture(params=["served", "own"])
def context(request: pytest.FixtureRequest, tmp_path: Path) -> FunctionContext:
    more: dict[str, Any] = {}
    if request.param == "served":
        more["sources"] = FakeSources(
            {"base": dict(FILES), "dev": dict(DEV)}, folders=["a/empty"], links={"a/l": "f"}
        )
        more["sources"].files["base"]["a/l"] = b"hi\n"
    else:
        for environment, files in (("base", FILES), ("dev", DEV)):
            for name, content in files.items():
                path = tmp_path / environment / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_bytes(content)
                path.chmod(0o644)
        (tmp_path / "base/a/empty").mkdir()
        (tmp_path / "base/a/l").symlink_to("f")
        roots = {each: [str(tmp_path / each)] for each in ("base", "dev")}
        more["configuration"] = {"file_roots": roots}
    return make_context(root=tmp_path, grains={"id": "web1"}, **more)


def call(context: FunctionContext, called: str, *positional: Any, **keyword: Any) -> Any:  # noqa: ANN401
    context.is_published = False
    return registry.call(called, positional, keyword, context)


def test_a_file_comes_to_its_place(context: FunctionContext, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()

    assert call(context, "cp.get_file", "salt://a/f", f"{out}/x") == f"{out}/x"
    assert (out / "x").read_bytes() == b"hi\n"
    assert call(context, "cp.get_file", "salt://a/f", str(out)) == f"{out}/f"
    assert call(context, "cp.get_file", "salt://a/f", f"{out}/") == f"{out}/f"
    assert call(context, "cp.get_file", "salt://gone", f"{out}/y") == ""
    assert call(context, "cp.get_file", "salt://a", f"{out}/y") == ""
    assert call(context, "cp.get_file", "salt://a/f", f"{out}/no/x") is False
    made = call(context, "cp.get_file", "salt://a/f", f"{out}/no/x", makedirs=True)
    assert made == f"{out}/no/x"
    assert not (out / "y").exists()


def test_the_environment_is_an_argument_or_in_the_address(
    context: FunctionContext, tmp_path: Path
) -> None:
    assert call(context, "cp.get_file", "salt://d", f"{tmp_path}/x") == ""
    assert call(context, "cp.get_file", "salt://d", f"{tmp_path}/x", saltenv="dev")
    assert call(context, "cp.get_file", "salt://d?saltenv=dev", f"{tmp_path}/y")
    assert (tmp_path / "y").read_bytes() == b"dev\n"
    assert call(context, "cp.get_file_str", "salt://d?saltenv=dev") == "dev\n"
    assert call(context, "cp.hash_file", "salt://d?saltenv=dev")["hash_type"] == "sha256"
    assert call(context, "cp.cache_file", "salt://d?saltenv=dev").endswith("cache/files/dev/d")


def test_a_template_is_rendered_to_its_place(context: FunctionContext, tmp_path: Path) -> None:
    place = f"{tmp_path}/t"

    assert call(context, "cp.get_template", "salt://t", place, x=5) == place
    assert Path(place).read_text() == "hi 5 web1\n"
    assert call(context, "cp.get_template", "salt://gone", place) == ""
    assert call(context, "cp.get_template", "salt://t", f"{tmp_path}/no/t", x=5) == ""


def test_with_a_template_engine_get_file_renders_the_path_and_not_the_content(
    context: FunctionContext, tmp_path: Path
) -> None:
    path, place = "salt://{{ 't' }}", f"{tmp_path}/{{{{ grains.id }}}}"

    assert call(context, "cp.get_file", path, place, template="jinja") == f"{tmp_path}/web1"
    assert (tmp_path / "web1").read_bytes() == FILES["t"]


def test_a_folder_comes_with_its_name_and_its_empty_folders(
    context: FunctionContext, tmp_path: Path
) -> None:
    out = f"{tmp_path}/out"

    found = call(context, "cp.get_dir", "salt://a", out)

    assert found == [f"{out}/a/{each}" for each in ("empty", "f", "l", "sub/g")]
    assert Path(f"{out}/a/sub/g").read_bytes() == b"deep\n"
    assert Path(f"{out}/a/empty").is_dir()
    assert call(context, "cp.get_dir", "salt://a/sub", out) == [f"{out}/sub/g"]
    assert call(context, "cp.get_dir", "salt://gone", out) == []


def test_content_may_be_asked_for_as_text(context: FunctionContext, tmp_path: Path) -> None:
    (tmp_path / "here").write_text("here\n")

    assert call(context, "cp.get_file_str", "salt://a/f") == "hi\n"
    assert call(context, "cp.get_file_str", "salt://gone") is False
    assert call(context, "cp.get_file_str", f"{tmp_path}/here") == "here\n"
    assert call(context, "cp.get_url", "salt://a/f", None) == "hi\n"


def test_an_address_of_any_kind_is_brought(context: FunctionContext, tmp_path: Path) -> None:
    cache = f"{tmp_path}/state/cache"

    assert call(context, "cp.get_url", "salt://a/f", f"{tmp_path}/u") == f"{tmp_path}/u"
    assert call(context, "cp.get_url", "salt://a/f") == f"{cache}/files/base/a/f"
    assert call(context, "cp.get_url", "salt://gone", f"{tmp_path}/v") is False
    assert call(context, "cp.get_url", "/etc/passwd", f"{tmp_path}/v") == "/etc/passwd"
    with pytest.raises(HostError, match=r"http://127.0.0.1:1/x can't be fetched: Connection ref"):
        call(context, "cp.get_url", "http://me:secret@127.0.0.1:1/x", f"{tmp_path}/v")


def test_the_cache_has_salts_places(context: FunctionContext, tmp_path: Path) -> None:
    cache = f"{tmp_path}/state/cache"
    (tmp_path / "here").write_text("here\n")

    assert call(context, "cp.is_cached", "salt://a/f") == ""
    assert call(context, "cp.cache_file", "salt://a/f") == f"{cache}/files/base/a/f"
    assert call(context, "cp.is_cached", "salt://a/f") == f"{cache}/files/base/a/f"
    assert call(context, "cp.cache_file", "salt://gone") is False
    assert call(context, "cp.cache_file", "/etc/passwd") == "/etc/passwd"
    assert call(context, "cp.cache_files", "salt://t,salt://gone") == [
        f"{cache}/files/base/t",
        False,
    ]
    place = call(context, "cp.cache_local_file", f"{tmp_path}/here")
    assert place == f"{cache}/localfiles{tmp_path}/here"
    assert call(context, "cp.is_cached", f"{tmp_path}/here") == place
    assert call(context, "cp.cache_local_file", "/gone") == ""
    assert call(context, "cp.list_minion") == [
        f"{cache}/files/base/a/f",
        f"{cache}/files/base/t",
        place,
    ]
    assert call(context, "cp.cache_dest", "salt://x/y") == f"{cache}/files/base/x/y"
    assert (
        call(context, "cp.cache_dest", "http://user:pw@h/x?y=1")
        == f"{cache}/extrn_files/base/h/x-y=1"
    )
    with pytest.raises(HostError, match="is not absolute"):
        call(context, "cp.cache_file", "a/f")


def test_folders_are_cached_by_pattern(context: FunctionContext, tmp_path: Path) -> None:
    cache = f"{tmp_path}/state/cache/files/base"

    assert call(context, "cp.cache_dir", "salt://a") == [
        f"{cache}/a/{each}" for each in ("f", "l", "sub/g")
    ]
    assert call(context, "cp.cache_dir", "salt://a", include_pat="*/g") == [f"{cache}/a/sub/g"]
    assert call(context, "cp.cache_dir", "salt://a", exclude_pat="E@[fl]$") == [f"{cache}/a/sub/g"]
    assert f"{cache}/a/empty" in call(context, "cp.cache_dir", "salt://a", include_empty=True)
    assert len(call(context, "cp.cache_master")) == 5


def test_the_tree_is_listed(context: FunctionContext) -> None:
    assert call(context, "cp.list_master") == ["a/f", "a/l", "a/sub/g", "b/init.sls", "t"]
    assert call(context, "cp.list_master", prefix="a/s") == ["a/sub/g"]
    assert call(context, "cp.list_master", saltenv="nosuch") == []
    assert call(context, "cp.list_master_dirs") == ["a", "a/empty", "a/sub", "b"]
    assert call(context, "cp.list_master_symlinks") == {"a/l": "f"}
    assert call(context, "cp.list_states") == ["b"]
    assert call(context, "cp.envs") == ["base", "dev"]


def test_files_are_described_without_being_brought(context: FunctionContext) -> None:
    digest = hashlib.sha256(b"hi\n").hexdigest()

    assert call(context, "cp.hash_file", "salt://a/f") == {"hash_type": "sha256", "hsum": digest}
    assert call(context, "cp.hash_file", "salt://gone") == ""
    assert call(context, "cp.stat_file", "salt://a/f") == "0644"
    assert call(context, "cp.stat_file", "salt://a/f", octal=False) == 0o100644
    assert call(context, "cp.stat_file", "salt://gone") is None


def test_the_configured_kind_of_checksum_is_given(context: FunctionContext) -> None:
    context.configuration = {**context.configuration, "custom": {"hash_type": "md5"}}

    found = call(context, "cp.hash_file", "salt://a/f")

    expected = hashlib.md5(b"hi\n", usedforsecurity=False).hexdigest()
    assert found == {"hash_type": "md5", "hsum": expected}


@pytest.mark.parametrize("path", ["salt://../x", "salt://a/../../x", "salt://a//f", "salt://"])
def test_nothing_outside_the_tree_is_brought(
    context: FunctionContext, tmp_path: Path, path: str
) -> None:
    for function in ("cp.cache_file", "cp.get_file_str", "cp.hash_file", "cp.stat_file"):
        with pytest.raises(HostError, match="does not lead to a file inside"):
            call(context, function, path)


def test_one_job_asks_once_though_its_functions_are_many() -> None:
    sources = FakeSources({"base": {"a": b"a\n"}})
    context = make_context(grains={}, sources=sources)

    for _ in range(3):
        call(context, "cp.list_master")
        call(context, "cp.list_states")
        call(context, "cp.hash_file", "salt://a")

    assert sources.asked == [("listing", "base", "")]


def test_files_are_not_pushed_to_the_master(context: FunctionContext) -> None:
    with pytest.raises(HostError, match="a master takes no files from its minions"):
        call(context, "cp.push", "/etc/fstab")
    with pytest.raises(HostError, match="not supported"):
        call(context, "cp.push_dir", "/var/log")
