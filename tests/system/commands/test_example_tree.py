"""The example tree that ships, applied by a master to three minions of real processes."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from support.master.fleet import Fleet

EXAMPLES = Path(__file__).parents[3] / "states" / "examples"
MINIONS = ("web1", "web2", "db1")

HOST = """
root: {folder}/hosts/{{{{ grains['id'] }}}}
manage_system: False
purpose: a host of the test
contact: ops
"""
SECRET = "bm90IGEga2V5LCBqdXN0IGFuIGV4YW1wbGU="


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """A fleet whose master has the tree; a pillar root before its own says where paths begin."""
    with Fleet(tmp_path) as made:
        pillar = tmp_path / "pillar"
        pillar.mkdir()
        (pillar / "host.sls").write_text(HOST.format(folder=tmp_path))
        with (made.master.root / "master.yaml").open("a") as file:
            file.write(
                f"file_roots:\n  base: [{EXAMPLES / 'states'}]\n"
                f"pillar_roots:\n  base: [{pillar}, {EXAMPLES / 'pillar'}]\n"
                "pillar_secret_keys: ['web:tls:key']\n"
            )
        made.start_master()
        for name in MINIONS:
            made.add_minion(name)
        made.wait_ready(len(MINIONS))
        yield made


class Applied:
    """What one `limpet apply '*'` has told."""

    def __init__(self, fleet: Fleet, *more: str) -> None:
        done = fleet.limpet("apply", "*", *more, "--format", "json")
        assert done.stdout, f"exit {done.returncode}: {done.stderr}"
        self.code = done.returncode
        self.minions: dict[str, Any] = json.loads(done.stdout)["minions"]

    def results(self, minion: str) -> list[dict[str, Any]]:
        """Give the results of one minion's states."""
        found = self.minions[minion]["return"]
        assert isinstance(found, dict), found
        return list(found.values())

    def changed(self) -> dict[str, set[str]]:
        """Give by minion the ids of the states that changed, or would change, something."""
        return {
            name: {
                each["__id__"]
                for each in self.results(name)
                if each["changes"] or each["result"] is None
            }
            for name in self.minions
        }

    def failed(self) -> list[Any]:
        """Give the results of all states that failed."""
        return [
            each for name in self.minions for each in self.results(name) if each["result"] is False
        ]


def look(folder: Path) -> dict[str, tuple[int, int, bytes]]:
    """Give mode, time of change and content of all that lies below a folder."""
    found = {}
    for path in sorted(folder.rglob("*")):
        facts = path.lstat()
        content = path.read_bytes() if path.is_file() else b""
        found[str(path.relative_to(folder))] = (facts.st_mode, facts.st_mtime_ns, content)
    return found


NOTHING: dict[str, set[str]] = {name: set() for name in MINIONS}


def test_the_example_tree_is_applied_once_and_each_change_of_pillar_reaches_what_depends_on_it(
    fleet: Fleet, tmp_path: Path
) -> None:
    hosts = tmp_path / "hosts"

    would = Applied(fleet, "--test")
    assert (would.code, would.failed()) == (0, [])
    assert not hosts.exists()

    first = Applied(fleet)
    assert (first.code, first.failed()) == (0, [])
    assert all(first.changed().values())
    assert would.changed() == first.changed()
    made = look(hosts)
    assert (hosts / "web1/etc/motd").read_text().startswith("This is web1, a host of the test.")
    link = hosts / "web2/etc/nginx/sites-enabled/shop.conf"
    assert "server_name shop.example.org www.example.org;" in link.read_text()
    assert not (hosts / "web2/etc/nginx/sites-enabled/old.conf").exists()
    key = hosts / "web1/etc/nginx/tls/site.key"
    assert SECRET in key.read_text()
    assert key.stat().st_mode & 0o777 == 0o600
    assert "ada@desk" in (hosts / "db1/home/ada/.ssh/authorized_keys").read_text()
    assert not (hosts / "db1/etc/nginx").exists()

    assert Applied(fleet, "--test").changed() == NOTHING
    second = Applied(fleet)
    assert (second.code, second.failed(), second.changed()) == (0, [], NOTHING)
    assert look(hosts) == made

    sites = (EXAMPLES / "pillar/sites.sls").read_text().replace("port: 8080", "port: 8081")
    (tmp_path / "pillar/sites.sls").write_text(sites)
    assert Applied(fleet, "--test").changed() == {
        **NOTHING,
        "web1": {"web_site_blog"},
        "web2": {"web_site_blog"},
    }
    assert look(hosts) == made
    third = Applied(fleet)
    assert (third.code, third.failed()) == (0, [])
    now = look(hosts)
    assert {name for name in now if now[name][2] != made[name][2]} == {
        f"{web}/etc/nginx/sites-{where}/blog.conf"
        for web in ("web1", "web2")
        for where in ("available", "enabled")
    }
    assert now.keys() == made.keys()

    for place in (*tmp_path.glob("*.log"), tmp_path / "master/state"):
        files = [place] if place.is_file() else list(place.rglob("*"))
        assert [
            each for each in files if each.is_file() and SECRET.encode() in each.read_bytes()
        ] == []


def test_a_site_that_does_not_pass_its_check_leaves_the_old_one_and_fails_alone(
    fleet: Fleet, tmp_path: Path
) -> None:
    assert Applied(fleet).failed() == []
    conf = tmp_path / "hosts/web1/etc/nginx/sites-available/blog.conf"
    before = conf.read_text()
    sites = (EXAMPLES / "pillar/sites.sls").read_text().replace("[blog.example.org]", "[]")
    (tmp_path / "pillar/sites.sls").write_text(sites)

    applied = Applied(fleet)

    assert applied.code == 1
    assert applied.minions["db1"]["status"] == "ok"
    failed = {each["__id__"]: each["comment"] for each in applied.failed()}
    assert failed.keys() == {"web_site_blog", "web_link_blog"}
    assert "there is no server_name" in failed["web_site_blog"]
    assert conf.read_text() == before


def test_an_error_in_the_pillar_of_one_minion_fails_the_runs_of_that_minion_alone(
    fleet: Fleet, tmp_path: Path
) -> None:
    text = HOST.format(folder=tmp_path)
    (tmp_path / "pillar/host.sls").write_text(
        text + "{% if grains['id'] == 'web2' %}\ntimezone: {{ nothing.there }}\n{% endif %}\n"
    )

    applied = Applied(fleet)

    assert applied.code == 1
    assert {name: each["status"] for name, each in applied.minions.items()} == {
        "web1": "ok",
        "web2": "failed",
        "db1": "ok",
    }
    assert "pillar/host.sls:7)" in json.dumps(applied.minions["web2"]["return"])
    assert (tmp_path / "hosts/web1/etc/motd").exists()
    assert (tmp_path / "hosts/db1/etc/motd").exists()
    assert not (tmp_path / "hosts/web2").exists()
