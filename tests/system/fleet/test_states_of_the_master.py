"""States, templates and files that only the master has, on a minion of real processes."""

import contextlib
import json
import os
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from support.hostile.proxy import Proxy
from support.master.fleet import Fleet, wait_until
from support.master.pulling import roots_of

MIB = 1024 * 1024

TREE = {
    "top.sls": "base:\n  '*':\n    - web\n",
    "web/init.sls": """
{% from 'web/map.jinja' import port with context %}
include:
  - .extra
{{ grains['target'] }}/conf:
  file.managed:
    - source: salt://web/files/conf.jinja
    - template: jinja
    - context:
        port: {{ port }}
{{ grains['target'] }}/plain:
  file.managed:
    - source: salt://web/files/plain
{{ grains['target'] }}/tree:
  file.recurse:
    - source: salt://web/tree
    - include_empty: True
""",
    "web/extra.sls": "{{ grains['target'] }}/big:\n  file.managed:\n    - source: salt://big\n",
    "web/map.jinja": "{% set port = 8080 if grains['id'] else 0 %}\n",
    "web/files/conf.jinja": "{% from 'web/files/macros' import line %}{{ line('port', port) }}\n",
    "web/files/macros": "{% macro line(name, value) %}{{ name }}={{ value }}{% endmacro %}",
    "web/files/plain": "plain\n",
    "web/tree/a": "a\n",
    "web/tree/deep/b": "b\n",
}


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A fleet that is not started; its master has the tree, its minions have no roots."""
    with Fleet(tmp_path) as made:
        states = roots_of(made)
        for name, text in TREE.items():
            path = states / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        (states / "web/tree/empty").mkdir()
        (states / "big").write_bytes(os.urandom(3 * MIB))
        (tmp_path / "target").mkdir()
        yield made


def applied(fleet: Fleet, *more: str) -> dict[str, dict[str, Any]]:
    """Apply the states; give the results by id."""
    done = fleet.limpet("apply", "--format", "json", "web1", *more)
    assert done.stdout, f"exit {done.returncode}: {done.stderr}"
    returned = json.loads(done.stdout)["minions"]["web1"]["return"]
    assert isinstance(returned, dict), returned
    return {each["__id__"]: each for each in returned.values()}


def called(fleet: Fleet, *words: str) -> Any:  # noqa: ANN401
    """Run a function; give what it returned."""
    code, minions = fleet.run_json("web1", *words)
    assert code == 0, minions
    return minions["web1"]["return"]


def test_a_tree_of_the_master_is_applied_and_only_what_changes_moves(
    fleet: Fleet, tmp_path: Path
) -> None:
    target, states = tmp_path / "target", tmp_path / "states"
    fleet.start_master()
    with Proxy(fleet.port, fleet.enrol_port) as proxy:
        fleet.add_minion(
            "web1",
            port=proxy.ports[0],
            enrol_port=proxy.ports[1],
            extra=f"grains:\n  target: {target}\n",
        )
        fleet.wait_ready(1)

        first = applied(fleet)
        assert {name: each["result"] for name, each in first.items()} == {
            f"{target}/{name}": True for name in ("big", "conf", "plain", "tree")
        }
        assert all(each["changes"] for each in first.values())
        assert (target / "conf").read_text() == "port=8080\n"
        assert (target / "plain").read_text() == "plain\n"
        assert (target / "tree/deep/b").read_text() == "b\n"
        assert (target / "tree/empty").is_dir()
        assert (target / "big").read_bytes() == (states / "big").read_bytes()

        moved = proxy.figures()["passed"]
        second = applied(fleet)
        assert [name for name, each in second.items() if each["changes"]] == []
        assert proxy.figures()["passed"] - moved < MIB

        (states / "web/tree/a").write_text("changed\n")
        third = applied(fleet)
        assert [name for name, each in third.items() if each["changes"]] == [f"{target}/tree"]
        assert list(third[f"{target}/tree"]["changes"]) == [f"{target}/tree/a"]
        assert (target / "tree/a").read_text() == "changed\n"
        assert proxy.figures()["passed"] - moved < 2 * MIB, "the big file has not moved again"


def test_functions_bring_files_of_the_master(fleet: Fleet, tmp_path: Path) -> None:
    place = tmp_path / "target/got"
    fleet.start_master()
    fleet.add_minion("web1")
    fleet.wait_ready(1)

    assert called(fleet, "cp.get_file", "salt://big", str(place)) == str(place)
    assert place.read_bytes() == (tmp_path / "states/big").read_bytes()
    assert called(fleet, "cp.get_file", "salt://gone", str(place)) == ""
    assert called(fleet, "cp.get_file_str", "salt://web/files/plain") == "plain\n"
    assert called(fleet, "cp.list_states") == ["top", "web", "web.extra"]
    cached = called(fleet, "cp.cache_file", "salt://web/files/plain")
    assert cached.endswith("/cache/files/base/web/files/plain")
    assert Path(cached).read_text() == "plain\n"
    assert called(fleet, "cp.is_cached", "salt://web/files/plain") == cached


def test_a_file_that_the_master_lost_fails_its_state_and_no_other(
    fleet: Fleet, tmp_path: Path
) -> None:
    target = tmp_path / "target"
    (tmp_path / "states/web/files/plain").unlink()
    fleet.start_master()
    fleet.add_minion("web1", extra=f"grains:\n  target: {target}\n")
    fleet.wait_ready(1)

    results = applied(fleet)

    failed = [name for name, each in results.items() if each["result"] is False]
    assert failed == [f"{target}/plain"]
    assert "Source file salt://web/files/plain not found" in results[failed[0]]["comment"]


@pytest.mark.slow
def test_a_transfer_goes_on_after_the_whole_minion_was_killed_in_the_middle(
    fleet: Fleet, tmp_path: Path
) -> None:
    size = 60 * MIB
    source, place = tmp_path / "states/large", tmp_path / "target/large"
    source.write_bytes(os.urandom(size))
    kills = 2
    fleet.start_master()
    with Proxy(fleet.port, fleet.enrol_port) as proxy:
        node = fleet.add_minion("web1", port=proxy.ports[0], enrol_port=proxy.ports[1])
        fleet.wait_ready(1)
        assert called(fleet, "cp.list_master_dirs")
        before = proxy.figures()["passed"]
        for number in range(1, kills + 1):
            wanted = number * size // (kills + 2)
            with fleet.following("run", "web1", "cp.get_file", "salt://large", str(place)):
                wait_until("so much has come", partial(has_come, node.root, wanted))
                strays = tuple(fleet.strays())
                node.kill_tree(tuple(pid for pid in strays if is_of(pid, node.root)))
            assert not place.exists()
            node.start()
            fleet.wait_ready(1)
        assert called(fleet, "cp.get_file", "salt://large", str(place)) == str(place)
        moved = proxy.figures()["passed"] - before
    assert place.read_bytes() == source.read_bytes()
    # What is encrypted, and pings and beats, need a little more than the file itself.
    assert moved <= size * 1.01 + (kills + 1) * MIB, f"{moved / MIB:.1f} MiB moved"


def has_come(root: Path, size: int) -> bool:
    """Say whether so many bytes of a file have come into a minion's cache."""
    sizes = [0]
    for path in root.rglob("cache/partial/*"):
        with contextlib.suppress(FileNotFoundError):
            sizes.append(path.stat().st_size)
    return max(sizes) >= size


def is_of(pid: int, root: Path) -> bool:
    """Say whether a process belongs to the minion of that root, a job included."""
    try:
        return f"TMPDIR={root}".encode() in Path(f"/proc/{pid}/environ").read_bytes().split(b"\0")
    except OSError:
        return False
