"""`limpet lint` and `limpet plan --local` as people type them."""

import json
import os
import subprocess
import sys
from pathlib import Path


def limpet(*words: str, cwd: Path | None = None) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "limpet", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=cwd,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def tree(root: Path, text: str) -> Path:
    (root / "top.sls").write_text("base:\n  '*':\n    - a\n")
    (root / "a.sls").write_text(text)
    return root


def test_a_finding_has_its_place_the_line_a_caret_and_a_hint(tmp_path: Path) -> None:
    done = limpet("lint", str(tree(tmp_path, "/x:\n  file.managed:\n    - contens: x\n")))
    assert done.returncode == 1, done.stderr
    assert done.stdout.splitlines() == [
        f"{tmp_path}/a.sls:3:7: error: file.managed has no argument 'contens' [unknown-argument]",
        "     3 |     - contens: x",
        "               ^",
        "    did you mean 'contents'?",
        "1 error",
    ]


def test_a_clean_tree_ends_with_0_and_json_is_a_list(tmp_path: Path) -> None:
    done = limpet("lint", "--format", "json", cwd=tree(tmp_path, "a:\n  test.nop: []\n"))
    assert (done.returncode, json.loads(done.stdout)) == (0, [])


def test_warnings_count_for_the_strict_only(tmp_path: Path) -> None:
    root = str(tree(tmp_path, "# {{ grains['os_famly'] }}\n"))
    assert limpet("lint", root).returncode == 0
    done = limpet("lint", "--strict", "--format", "json", root)
    assert done.returncode == 1
    (finding,) = json.loads(done.stdout)
    assert finding == {
        "file": f"{tmp_path}/a.sls",
        "line": 1,
        "column": 14,
        "rule": "unknown-grain",
        "severity": "warning",
        "message": "no host has the grain 'os_famly' by itself",
        "hint": "did you mean 'os_family'?",
    }


def test_without_a_tree_it_is_a_mistake_of_usage(tmp_path: Path) -> None:
    assert limpet("lint", str(tmp_path / "gone")).returncode == 2
    assert limpet("--root", str(tmp_path), "lint", cwd=tmp_path).returncode == 2


def test_the_configured_roots_are_looked_at(tmp_path: Path) -> None:
    states = tmp_path / "states"
    states.mkdir()
    tree(states, "a:\n  tst.nop: []\n")
    (tmp_path / "minion.yaml").write_text(f"id: x\nfile_roots: {{base: [{states}]}}\n")
    done = limpet("--root", str(tmp_path), "lint", "--format", "json", cwd=Path("/"))
    assert [each["rule"] for each in json.loads(done.stdout)] == ["unknown-state"]


def test_grains_of_ones_own_choose_the_branch(tmp_path: Path) -> None:
    text = "{% if grains.role == 'web' %}\na:\n  tst.nop: []\n{% endif %}\n"
    grains = tmp_path / "grains.yaml"
    grains.write_text("role: web\n")
    root = str(tree(tmp_path, text))
    assert limpet("lint", root).returncode == 0
    assert limpet("lint", "--grains", str(grains), root).returncode == 1


def test_what_salt_has_and_limpet_has_not_is_told_by_line_and_counted(tmp_path: Path) -> None:
    text = (
        "{% set a = salt['win_servermanager.list_available']() %}\na:\n  win_path.exists: []\n"
        "b:\n  test.nop: []\nc:\n  win_path:\n    - absent\n"
    )
    done = limpet("lint", "--salt-compat", str(tree(tmp_path, text)))
    assert done.returncode == 1
    assert f"{tmp_path}/a.sls:3: state win_path.exists: not here" in done.stdout
    assert f"{tmp_path}/a.sls:7: state win_path.absent: not here" in done.stdout
    assert "     1  function win_servermanager.list_available: not here" in done.stdout
    assert "1 of 4 uses are supported" in done.stdout


def test_a_plan_of_this_host_is_shown(tmp_path: Path) -> None:
    states = tmp_path / "states"
    states.mkdir()
    tree(states, "a:\n  test.nop: []\n")
    (tmp_path / "minion.yaml").write_text(f"id: x\nfile_roots: {{base: [{states}]}}\n")
    done = limpet("--root", str(tmp_path), "plan", "--local")
    assert done.returncode == 0, done.stderr
    assert "    1. test.nop: a" in done.stdout
    assert limpet("--root", str(tmp_path), "plan", "--local", "gone").returncode == 1
