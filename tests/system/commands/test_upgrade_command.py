"""`limpet upgrade` against a real master: the way of a package to it and to a minion.

The minions of these tests are no installed packages, so each of them has to refuse; that hosts are
upgraded is shown in tests/lab/test_upgrades.py.
"""

import hashlib
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from limpet.common.errors import HostError
from limpet.master.client.client import Client
from limpet.states.functions import limpet as functions
from limpet.states.ports.upgrades import Upgraded, Wanted
from support.fakes.host import make_context
from support.fakes.sources import FakeSources
from support.master.fleet import Fleet
from support.packaging.made_packages import package


@pytest.fixture(scope="module")
def fleet(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    with Fleet(tmp_path_factory.mktemp("fleet"), minions=2) as running:
        yield running


def handed(fleet: Fleet, tmp_path: Path, version: str = "2.0") -> tuple[Path, bytes]:
    data = package(contents=os.urandom(3_000_000), Version=version)
    path = tmp_path / "limpet-minion.deb"
    path.write_bytes(data)
    return path, data


def upgrade(fleet: Fleet, *words: str) -> tuple[int, dict[str, Any], str]:
    done = fleet.limpet("upgrade", *words, "--format", "json")
    return done.returncode, json.loads(done.stdout) if done.stdout else {}, done.stderr


def test_a_minion_that_is_no_package_says_so_and_no_further_batch_begins(
    fleet: Fleet, tmp_path: Path
) -> None:
    path, data = handed(fleet, tmp_path)
    code, document, said = upgrade(fleet, "web*", "--package", str(path), "--batch", "1")
    assert code == 1
    assert document["package"]["sha256"] == hashlib.sha256(data).hexdigest()
    assert document["minions"]["web1"]["status"] == "failed"
    assert "was not installed by the package" in document["minions"]["web1"]["error"]
    assert document["minions"]["web2"]["status"] == "not tried"
    assert "1 failed, 1 not tried" in said
    kept = fleet.master.root / "state/master/packages" / f"{document['package']['sha256']}.deb"
    assert kept.read_bytes() == data

    code, document, _ = upgrade(fleet, "web*", "--version", "2.0", "--max-failures", "5")
    assert [each["status"] for each in document["minions"].values()] == ["failed", "failed"]
    done = fleet.limpet("upgrade", "web1", "--version", "2.0")
    assert done.stdout.startswith("web1: failed: this minion was not installed")


def test_a_minion_that_is_off_is_named_and_left_alone(fleet: Fleet, tmp_path: Path) -> None:
    path, _ = handed(fleet, tmp_path, "2.1")
    fleet.minions["web2"].stop()
    try:
        code, document, _ = upgrade(fleet, "web2", "--package", str(path))
        assert document["minions"]["web2"]["status"] == "offline"
        assert code == 4
    finally:
        fleet.minions["web2"].start()
        fleet.wait_ready(2)


@pytest.mark.parametrize(
    ("words", "code", "said"),
    [
        (("web1",), 2, "either --package FILE or --version V"),
        (("web1", "--package", "a", "--version", "1"), 2, "either --package FILE or --version V"),
        (("web1", "--package", "/nonexistent.deb"), 2, "No such file"),
        (("web1", "--version", "77"), 2, "keeps no package of version '77'"),
        (("web1", "--version", "2.0", "--batch", "0"), 2, "--batch"),
        (("web1", "--version", "2.0", "--ready-timeout", "2h"), 2, "--ready-timeout"),
        (("nobody", "--version", "2.0"), 3, "no minion matches"),
    ],
)
def test_what_is_wrong_is_said(
    fleet: Fleet, tmp_path: Path, words: tuple[str, ...], code: int, said: str
) -> None:
    path, _ = handed(fleet, tmp_path)
    fleet.limpet("upgrade", "nobody", "--package", str(path))
    done = fleet.limpet("upgrade", *words)
    assert (done.returncode, said in done.stderr) == (code, True), done.stderr


def test_a_file_that_is_no_package_is_refused_by_the_master(fleet: Fleet, tmp_path: Path) -> None:
    bad = tmp_path / "bad.deb"
    bad.write_bytes(b"nothing of the kind" * 100)
    done = fleet.limpet("upgrade", "web1", "--package", str(bad))
    assert done.returncode == 1
    assert "not a package that can be read" in done.stderr


def test_what_was_handed_over_once_is_not_sent_again(fleet: Fleet, tmp_path: Path) -> None:
    path, _ = handed(fleet, tmp_path, "2.2")
    with Client(str(fleet.master.root)) as client:
        first = client.keep_package(str(path))
        assert client.keep_package(str(path)).package.sha256 == first.package.sha256
        assert client.packages().packages[0].version == "2.2"


def test_a_package_that_was_damaged_on_the_master_is_not_rolled_out(
    fleet: Fleet, tmp_path: Path
) -> None:
    path, data = handed(fleet, tmp_path, "2.3")
    with Client(str(fleet.master.root)) as client:
        client.keep_package(str(path))
    name = f"{hashlib.sha256(data).hexdigest()}.deb"
    (fleet.master.root / "state/master/packages" / name).write_bytes(bytes(len(data)))

    done = fleet.limpet("upgrade", "web1", "--version", "2.3")

    assert (done.returncode, done.stdout) == (2, "")
    assert "2.3 was damaged" in done.stderr
    assert "hand it over again" in done.stderr


# --- the function ------------------------------------------------------------------------------


class FakeUpgrades:
    """The minion's package, in a directory; notes what is run."""

    def __init__(self, directory: Path) -> None:
        self.place = directory / "package.deb"
        self.ran: list[tuple[bytes, Wanted]] = []
        self.problem = ""

    def raise_if_impossible(self) -> None:
        if self.problem:
            raise HostError(self.problem)

    def incoming(self) -> Path:
        return self.place

    def run(self, package: Path, wanted: Wanted) -> Upgraded:
        self.ran.append((package.read_bytes(), wanted))
        return Upgraded("1.0", "2.0", 3.5, ("a word",))

    def last(self) -> dict[str, Any]:
        return {"phase": "done"}


def test_the_package_comes_over_the_link_piece_by_piece(tmp_path: Path) -> None:
    data = package()
    sha256 = hashlib.sha256(data).hexdigest()
    upgrades = FakeUpgrades(tmp_path)
    sources = FakeSources(files={"limpet/packages": {f"{sha256}.deb": data}})
    context = make_context(upgrades=lambda: upgrades, sources=sources, jid="J")
    answer = functions.upgrade(context, sha256, 90.0, "1-2")
    assert answer == {"old": "1.0", "new": "2.0", "seconds": 3.5, "notices": ["a word"]}
    assert upgrades.ran == [(data, Wanted(sha256, f"package {sha256[:12]}", 90.0, 1, 2, "J"))]
    assert functions.last_upgrade(context) == {"phase": "done"}


def test_a_package_that_the_master_has_not_is_said_and_nothing_is_left(tmp_path: Path) -> None:
    upgrades = FakeUpgrades(tmp_path)
    context = make_context(upgrades=lambda: upgrades, sources=FakeSources())
    with pytest.raises(HostError, match=r"has no package 000000000000 \(any more\)"):
        functions.upgrade(context, "0" * 64)
    assert not upgrades.place.exists()
    upgrades.problem = "not here"
    with pytest.raises(HostError, match="not here"):
        functions.upgrade(context, "0" * 64)


def test_a_transfer_that_breaks_off_leaves_no_half_of_a_package(tmp_path: Path) -> None:
    data = package()
    sha256 = hashlib.sha256(data).hexdigest()
    upgrades = FakeUpgrades(tmp_path)
    sources = FakeSources(files={"limpet/packages": {f"{sha256}.deb": data}}, cut_after=2)
    context = make_context(upgrades=lambda: upgrades, sources=sources)
    with pytest.raises(HostError, match="no answer from the master"):
        functions.upgrade(context, sha256)
    assert not upgrades.place.exists()
    assert upgrades.ran == []


def test_a_file_of_the_host_will_do_too(tmp_path: Path) -> None:
    data = package()
    path = tmp_path / "given.deb"
    path.write_bytes(data)
    upgrades = FakeUpgrades(tmp_path)
    context = make_context(upgrades=lambda: upgrades)
    functions.upgrade(context, str(path))
    assert upgrades.ran[0][0] == data
    assert upgrades.ran[0][1].sha256 == hashlib.sha256(data).hexdigest()


def test_only_a_regular_file_within_the_bound_is_copied(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    upgrades = FakeUpgrades(tmp_path)
    context = make_context(upgrades=lambda: upgrades)
    os.mkfifo(tmp_path / "pipe")
    for path in ("/dev/null", str(tmp_path / "pipe"), str(tmp_path)):
        with pytest.raises(HostError, match="not a regular file"):
            functions.upgrade(context, path)
    (tmp_path / "large.deb").write_bytes(bytes(100))
    monkeypatch.setattr(functions, "PACKAGE_BYTES_MAX", 99)
    with pytest.raises(HostError, match="more than 99 bytes"):
        functions.upgrade(context, str(tmp_path / "large.deb"))
    assert not upgrades.place.exists()
    assert upgrades.ran == []
