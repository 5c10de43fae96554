"""Which version the guard goes back to, when one upgrade comes upon another."""

import threading
import time
from pathlib import Path

import pytest
from msgspec.structs import replace

from limpet.common.service.locks import InstanceLock
from limpet.common.service.paths import Roots
from limpet.minion.commands import upgrade_host
from limpet.minion.upgrading.io.files import UpgradeFiles
from limpet.minion.upgrading.io.guard import record_of_guard
from limpet.minion.upgrading.io.layout import Installation
from limpet.minion.upgrading.record import Record

OLD, BETWEEN, NEW = "1.0-aaaaaaaaaaaa", "1.5-cccccccccccc", "2.0-bbbbbbbbbbbb"


def guard(old: str, new: str, under_way: Record | None = None, kept: str = "") -> Record:
    return record_of_guard(
        old, new, under_way, kept=kept, previous=Path("/previous.deb"), ready_timeout_s=60.0
    )


def test_the_version_that_runs_is_the_one_to_go_back_to() -> None:
    record = guard(OLD, NEW, kept="1.0")
    assert (record.kind, record.phase, record.old, record.new) == ("guard", "prepared", OLD, NEW)
    assert record.previous == "/previous.deb"
    assert guard(OLD, NEW, kept="0.9").previous == ""


def test_what_was_prepared_is_begun() -> None:
    begun = guard(OLD, NEW, under_way=guard(OLD, NEW))
    assert (begun.old, begun.new) == (OLD, NEW)


def test_a_version_that_never_proved_itself_is_not_gone_back_to() -> None:
    first = replace(guard(OLD, BETWEEN), phase="proving")
    prepared = guard(BETWEEN, NEW, under_way=first)
    assert (prepared.old, prepared.new) == (OLD, NEW)
    begun = guard(BETWEEN, NEW, under_way=prepared)
    assert (begun.old, begun.new) == (OLD, NEW)


class Host:
    """A host on which an upgrade by the master is under way while apt installs a third version."""

    def __init__(self, place: Path, patch: pytest.MonkeyPatch) -> None:
        self.installation = Installation(place / "opt")
        for name in (OLD, BETWEEN, NEW):
            self.installation.directory(name).mkdir(parents=True)
        self.installation.switch(NEW)
        roots = Roots.locate("minion", str(place))
        self.files = UpgradeFiles(roots.state_dir)
        self.files.prepare()
        self.upgrade = replace(guard(OLD, BETWEEN), kind="package", phase="proving")
        self.files.save(self.upgrade)
        self.begun: list[Record] = []
        patch.setattr(upgrade_host, "Installation", lambda: self.installation)
        patch.setattr(upgrade_host, "LOCK_S", 0.05)
        patch.setattr(upgrade_host, "_roots", lambda: roots)
        patch.setattr(upgrade_host, "_carry_out", lambda record, *_: self.begun.append(record))

    def run(self, *options: str) -> int:
        words = ["--from", BETWEEN, "--to", NEW, *options]
        with upgrade_host.guard.make_context("guard", words) as context:
            return int(upgrade_host.guard.invoke(context))


@pytest.fixture
def host(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Host:
    return Host(tmp_path, monkeypatch)


@pytest.mark.parametrize("is_back", [False, True])
def test_the_guard_waits_for_the_upgrade_that_is_under_way(host: Host, is_back: bool) -> None:
    lock = InstanceLock(host.files.lock, "the updater")

    def end() -> None:
        time.sleep(0.4)
        lock.close()  # killed; the service manager starts it again
        with InstanceLock(host.files.lock, "the updater", wait_s=5.0):
            time.sleep(0.2)
            if is_back:
                host.installation.switch(OLD)
            host.files.end(replace(host.upgrade, phase="back" if is_back else "done"))

    updater = threading.Thread(target=end)
    updater.start()
    try:
        assert host.run() == 0
    finally:
        updater.join()
    # Where the upgrade has gone back, `current` too, there is no third version to be watched.
    assert [(each.old, each.new) for each in host.begun] == ([] if is_back else [(BETWEEN, NEW)])


def test_the_script_of_the_package_is_not_kept_waiting(host: Host) -> None:
    began = time.monotonic()
    assert host.run("--prepare") == 0
    assert time.monotonic() - began < 5
    assert host.files.load() == host.upgrade
