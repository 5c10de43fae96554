"""`limpet apply --local`: a tree of states applied on this host, without master and minion."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

TREE = {
    "minion.yaml": "id: here\nfile_roots: {base: [@/states]}\npillar_roots: {base: [@/pillar]}\n",
    "states/top.sls": "base: {'*': [site]}\n",
    "states/site.sls": """
@/out:
  file.directory: []
conf:
  file.managed:
    - name: @/out/conf
    - source: salt://conf.j2
    - template: jinja
    - require: [{file: '@/out'}]
reload:
  cmd.wait:
    - name: echo reloaded
    - watch: [{file: conf}]
""",
    "states/conf.j2": "port {{ pillar.port }}\n",
    "states/bad.sls": "broken: {cmd.run: [{name: exit 3}]}\n",
    "pillar/top.sls": "base: {'*': [data]}\n",
    "pillar/data.sls": "port: 80\n",
}


@pytest.fixture
def root(tmp_path: Path) -> Path:
    for name, text in TREE.items():
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text.replace("@", str(tmp_path)))
    return tmp_path


def apply(root: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "limpet", "--root", str(root), "apply", "--local", *words],
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        env={**os.environ, "LC_ALL": "C.UTF-8"},
    )


def test_a_tree_is_announced_applied_and_then_in_order(root: Path) -> None:
    announced = apply(root, "--test")
    assert announced.returncode == 0
    assert "unchanged=3" in announced.stdout
    assert not (root / "out").exists()

    done = apply(root)
    assert done.returncode == 0, done.stderr
    assert "Succeeded: 3 (changed=3)" in done.stdout
    assert (root / "out/conf").read_text() == "port 80\n"

    again = apply(root)
    assert "Succeeded: 3\n" in again.stdout


def test_pillar_of_one_run_and_data_instead_of_text(root: Path) -> None:
    done = apply(root, "--pillar", '{"port": 8080}', "--format", "json")

    (results,) = json.loads(done.stdout).values()
    assert [each["result"] for each in results.values()] == [True, True, True]
    assert (root / "out/conf").read_text() == "port 8080\n"


def test_a_failed_state_is_a_failed_command(root: Path) -> None:
    failed = apply(root, "--state-output", "terse", "bad")

    assert failed.returncode == 1
    assert "Name: exit 3 - Function: cmd.run - Result: Failed" in failed.stdout
    assert "Failed:    1" in failed.stdout


def test_an_error_of_the_tree_is_told_with_its_place(root: Path) -> None:
    (root / "states/site.sls").write_text("a:\n  test.nop\n  b: [\n")

    failed = apply(root)

    assert failed.returncode == 1
    assert "Rendering SLS 'base:site' failed" in failed.stdout
    assert "line 4" in failed.stdout or "line 3" in failed.stdout
