"""A minion's configuration read again: another plan, the same, or a fault; never another key."""

import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from limpet.common.clock import SystemClock
from limpet.common.errors import HostError
from limpet.common.observability.logs import Log
from limpet.common.transport.sockets import make_keypair
from limpet.minion.process.plan import Plan
from limpet.minion.process.reload import Reloading, is_same
from limpet.minion.process.startup import make_plan

KEY = make_keypair()[0].hex()
CLOCK = SystemClock()


class Host:
    """A root with a configuration, and the reloading of the minion that was started there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.configure("")
        self.plan = make_plan(str(root), {"id": "web1", "join": None})
        self.fd = os.open(root / "log", os.O_RDWR | os.O_CREAT)
        self.reloading = Reloading(self.plan, Log(fd=self.fd, has_priorities=True))

    def configure(self, text: str) -> None:
        (self.root / "minion.yaml").write_text(f"master: 127.0.0.1\nmaster_key: '{KEY}'\n{text}")

    def wait(self) -> str:
        end = time.monotonic() + 30
        while (verdict := self.reloading.collect(CLOCK.now())) is None:
            assert time.monotonic() < end
            time.sleep(0.01)
        return verdict

    def reload(self) -> str:
        return self.reloading.begin(CLOCK.now()) or self.wait()

    def log(self) -> str:
        return (self.root / "log").read_text()


@pytest.fixture
def host(tmp_path: Path) -> Iterator[Host]:
    tmp_path.chmod(0o700)
    made = Host(tmp_path)
    yield made
    made.reloading.close()
    os.close(made.fd)


def test_the_same_configuration_gives_no_other_plan(host: Host) -> None:
    assert host.reload() == "as before"
    assert host.reloading.plan is None
    assert host.reloading.filenos() == ()


def test_another_configuration_gives_another_plan_with_the_options_of_the_start(
    host: Host,
) -> None:
    host.configure("log_level: debug\nrefuse: ['cmd.*']\nmetrics_listen: 127.0.0.1:9407\n")
    assert host.reload() == "other"
    plan = host.reloading.plan
    assert plan is not None
    assert (plan.log_level, plan.metrics) == (7, ("127.0.0.1", 9407))
    assert plan.worker_setup.configuration["refuse"] == ["cmd.*"]
    assert plan.minion_id == "web1"  # by --id, which no file says
    assert (plan.public_key, plan.options) == (host.plan.public_key, {"id": "web1"})


def test_a_broken_file_is_told_until_it_is_mended(host: Host) -> None:
    host.configure("jobs_at_onse: 3\n")
    assert host.reload() == "broken"
    assert host.reloading.plan is None
    assert "minion.yaml:3: unknown key 'jobs_at_onse'" in host.reloading.problem
    assert f"<3>{host.reloading.problem}\n" == host.log()
    host.configure("")
    assert host.reload() == "as before"
    assert host.reloading.problem == ""


def test_a_key_that_is_gone_makes_no_new_one_under_a_running_minion(host: Host) -> None:
    shutil.rmtree(host.root / "state" / "minion" / "keys")
    assert host.reload() == "broken"
    assert "the key files of the running minion are gone" in host.reloading.problem
    assert not list((host.root / "state" / "minion" / "keys").glob("minion.*"))


def test_a_second_wish_meanwhile_sees_what_was_written_before_it(host: Host) -> None:
    assert host.reloading.begin(CLOCK.now()) is None
    host.configure("log_level: error\n")
    assert host.reloading.begin(CLOCK.now()) is None
    assert host.wait() == "other"


def test_where_no_child_can_be_started_that_is_told(
    host: Host, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_: object, **__: object) -> int:
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "posix_spawn", refuse)
    assert host.reloading.begin(CLOCK.now()) == "broken"
    assert "Resource temporarily unavailable" in host.reloading.problem


def test_a_key_that_the_master_has_changed_meanwhile_is_no_other_plan(host: Host) -> None:
    plan: Plan = host.plan
    assert is_same(replace(plan, server_key=b"x" * 32, notices=("x",)), plan)
    assert not is_same(replace(plan, jobs_at_once=3), plan)


def test_a_key_maker_for_a_running_minion_refuses(tmp_path: Path) -> None:
    from limpet.minion.process.startup import PairMaker

    with pytest.raises(HostError, match="are gone"):
        PairMaker(tmp_path / "minion.public", may_make=False).make()
