"""External pillar: commands, trees of files, what packages bring, and what becomes of failures."""

import sys
from pathlib import Path
from typing import Any

import pytest

from limpet.states.host.machine import ThisMachine
from limpet.states.local.call import call_local
from limpet.states.pillar.compile import Pillar
from limpet.states.pillar.secrets import MASK
from support.states.sls_trees import compilation


def render(listed: list[Any], **configuration: Any) -> Pillar:  # noqa: ANN401
    """Compile the pillar `a: 1` with external sources, for minion web1."""
    made = compilation(
        {},
        pillar={
            "top.sls": "base:\n  '*': [a]\n",
            "a.sls": "a: 1\nsees: {{ pillar.get('a', 'nothing') }}\n",
        },
        configuration={"ext_pillar": listed, **configuration},
    )
    made.minion.host = ThisMachine()
    return made.pillar


def test_a_command_prints_yaml_or_json_and_knows_the_minion() -> None:
    pillar = render(
        [{"cmd_yaml": "printf 'y: %s\\nid: '; echo %s"}, {"cmd_json": "echo '{\"j\": 2}'"}]
    )
    assert pillar.data["id"] == "web1"
    assert (pillar.data["a"], pillar.data["j"]) == (1, 2)
    assert pillar.errors == []


def test_it_is_laid_over_files_or_under_them_where_it_comes_first() -> None:
    assert render([{"cmd_yaml": "echo 'a: 2'"}]).data == {"a": 2, "sees": "nothing"}
    first = render([{"cmd_yaml": "echo 'a: 2'"}], ext_pillar_first=True)
    assert first.data == {"a": 1, "sees": 2}


@pytest.mark.parametrize(
    ("source", "error"),
    [
        ({"cmd_yaml": "echo gone >&2; exit 3"}, "ended with 3: gone"),
        ({"cmd_yaml": "echo 'a: ['"}, "did not find expected"),
        ({"cmd_yaml": "echo '[1]'"}, "it gives list, and pillar is a mapping"),
        ({"cmd_json": "echo no"}, "is not JSON"),
        ({"cmd_yaml": ["a", "b"]}, "TypeError"),
        ({"nosuch": 1}, "there is no source of that name; cmd_json, cmd_yaml, file_tree come"),
        ({"file_tree": {"root_dir": "/dev/null/x"}}, "root_dir /dev/null/x is not a directory"),
        ({"file_tree": {}}, "root_dir is not set"),
    ],
)
def test_a_source_that_fails_is_an_error_and_the_others_count(
    source: dict[str, Any], error: str
) -> None:
    pillar = render([source, {"cmd_yaml": "echo 'x: 1'"}])
    name = next(iter(source))
    assert len(pillar.errors) == 1
    assert pillar.errors[0].startswith(f"Failed to load ext_pillar {name}: ")
    assert error in pillar.errors[0]
    assert pillar.data["x"] == 1


def tree(folder: Path, files: dict[str, bytes]) -> str:
    for name, content in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return str(folder)


def test_a_tree_of_files_is_keys_and_values(tmp_path: Path) -> None:
    root = tree(
        tmp_path,
        {
            "hosts/web1/plain": b"hello\n",
            "hosts/web1/d/key": b"k\n\n",
            "hosts/web1/bin": b"\xff\xfe",
            "hosts/web1/.hidden": b"",
            "hosts/web2/plain": b"not mine",
            "nodegroups/webs/plain": b"group",
            "nodegroups/webs/more": b"m",
            "nodegroups/dbs/no": b"no",
        },
    )
    pillar = render([{"file_tree": root}], nodegroups={"webs": "web*", "dbs": "db*"})
    assert pillar.errors == []
    assert pillar.data == {
        "a": 1,
        "sees": "nothing",
        "plain": "hello",
        "d": {"key": "k\n"},
        "bin": b"\xff\xfe",
        ".hidden": "",
        "more": "m",
    }


def test_line_ends_are_kept_where_that_is_wanted(tmp_path: Path) -> None:
    root = tree(tmp_path, {"hosts/web1/a": b"1\n", "hosts/web1/d/b": b"2\n"})
    every = render([{"file_tree": {"root_dir": root, "keep_newline": True}}])
    assert (every.data["a"], every.data["d"]) == ("1\n", {"b": "2\n"})
    some = render([{"file_tree": {"root_dir": root, "keep_newline": ["d/*"]}}])
    assert (some.data["a"], some.data["d"]) == ("1", {"b": "2\n"})


def test_links_to_directories_are_followed_where_that_is_wanted_and_loops_end(
    tmp_path: Path,
) -> None:
    root = tree(tmp_path, {"hosts/web1/a": b"1", "shared/s": b"2"})
    (tmp_path / "hosts/web1/link").symlink_to(tmp_path / "shared")
    (tmp_path / "hosts/web1/loop").symlink_to(tmp_path / "hosts/web1")
    assert render([{"file_tree": root}]).data["link"] == {}
    followed = render([{"file_tree": {"root_dir": root, "follow_dir_links": True}}]).data
    assert followed["link"] == {"s": "2"}
    assert followed["loop"] == {}


def test_files_of_a_tree_are_templates_where_that_is_wanted(tmp_path: Path) -> None:
    text = b"{{ opts.id }} {{ pillar.a }}\n"
    root = tree(tmp_path, {"hosts/web1/t": text, "hosts/web1/plain": text})
    pillar = render([{"file_tree": {"root_dir": root, "template": ["t"]}}])
    assert pillar.data["t"] == "web1 1"
    assert pillar.data["plain"] == text.decode().rstrip()


def test_a_package_brings_a_source_by_its_entry_point(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "vault_of_ours.py").write_text(
        "def given(asked, path, *, field='v'):\n"
        "    return {field: f'{path} for {asked.minion_id}, {asked.pillar[\"a\"]}'}\n"
    )
    told = tmp_path / "vault_of_ours-1.0.dist-info"
    told.mkdir()
    (told / "METADATA").write_text("Metadata-Version: 2.1\nName: vault-of-ours\nVersion: 1.0\n")
    (told / "entry_points.txt").write_text("[limpet.ext_pillar]\nvault = vault_of_ours:given\n")
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    pillar = render([{"vault": {"path": "secret/web", "field": "found"}}])
    assert pillar.data["found"] == "secret/web for web1, 1"


def test_a_local_call_has_external_pillar_too(tmp_path: Path) -> None:
    (tmp_path / "minion.yaml").write_text(
        "id: web7\next_pillar:\n  - cmd_yaml: 'echo \"host: %s\"'\npillar_secret_keys: token\n"
    )
    value, retcode = call_local(str(tmp_path), "pillar.items", [], {"pillar": {"token": "abcdef"}})
    assert (value, retcode) == ({"host": "web7", "token": MASK}, 0)
