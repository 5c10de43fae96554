"""`supervisord` and `kmod` on made-up programs."""

from pathlib import Path

import pytest

from limpet.common.errors import HostError
from limpet.states.functions import registry
from limpet.states.outcome import Outcome
from support.fakes.host import FakeCommands, FakeFiles, FakeHost, make_context
from support.fakes.programs import FakeKernel, FakeSupervisor
from support.states.state_bench import StateBench


@pytest.mark.parametrize(
    "name, more, result, calls",
    [
        ("up", {}, True, []),
        ("down", {}, None, ["start down"]),
        ("new", {}, None, ["reread", "add new"]),
        ("new", {"update": True}, None, ["reread", "update"]),
        ("up", {"restart": True}, None, ["restart up"]),
        ("g:*", {}, None, ["start g:*"]),
        ("gone", {}, None, ["reread", "add gone"]),
    ],
)
def test_a_process_is_made_to_run(
    tmp_path: Path, name: str, more: dict[str, bool], result: bool | None, calls: list[str]
) -> None:
    supervisor = FakeSupervisor(
        {"up": "RUNNING", "down": "STOPPED", "g:a": "RUNNING", "g:b": "EXITED"}, ("new",)
    )
    bench = StateBench(tmp_path, host=supervisor.host())

    announced = bench.call("supervisord.running", is_test=True, name=name, **more)
    assert supervisor.calls == []
    done = bench.call("supervisord.running", name=name, **more)

    assert announced.result is result
    assert supervisor.calls == calls
    assert done.result is (name != "gone")
    assert bool(done.changes) is (result is None and name != "gone")
    if not more and name != "gone":
        assert bench.call("supervisord.running", name=name).changes == {}


def test_a_process_is_made_to_die_and_restarted_by_a_watch(tmp_path: Path) -> None:
    supervisor = FakeSupervisor({"up": "RUNNING", "down": "STOPPED"})
    bench = StateBench(tmp_path, host=supervisor.host())

    assert bench.call("supervisord.mod_watch", name="up").changes == {
        "up": "Restarting service: up"
    }
    assert bench.call("supervisord.dead", name="up", is_test=True).result is None
    assert bench.call("supervisord.dead", name="up").changes == {"up": "Stopping service: up"}
    assert bench.call("supervisord.dead", name="down") == Outcome(
        True, "Service down is not running"
    )
    assert bench.call("supervisord.dead", name="x").comment == "Service x doesn't exist"
    assert bench.call("supervisord.running", name="-c/evil").result is False


def test_status_is_told_by_process() -> None:
    context = make_context(FakeSupervisor({"up": "RUNNING"}).host())

    assert registry.call("supervisord.status", [], {}, context) == {
        "up": {"state": "RUNNING", "reason": "pid 4, uptime 0:01"}
    }
    assert registry.call("supervisord.status_bool", ["up"], {}, context) is True
    with pytest.raises(HostError, match="can't be the name"):
        registry.call("supervisord.start", ["-c/evil"], {}, context)


def test_kernel_modules_are_loaded_and_unloaded(tmp_path: Path) -> None:
    files = FakeFiles({"/proc/modules": "kvm 1 0 - Live 0x0\n"})
    programs = {"modprobe": "/sbin/modprobe", "modinfo": "/sbin/modinfo"}
    host = FakeHost(FakeCommands(programs, FakeKernel(files).answer), files)
    bench = StateBench(tmp_path, host=host)

    assert bench.call("kmod.present", name="kvm").comment == "Kernel module kvm is already present"
    assert bench.call("kmod.present", name="br-netfilter", is_test=True).comment == (
        "Kernel module br-netfilter is set to be loaded"
    )
    assert bench.call("kmod.present", name="br-netfilter").changes == {"br_netfilter": "loaded"}
    assert bench.call("kmod.present", name="br-netfilter").changes == {}
    assert bench.call("kmod.present", name="x", mods=["ok", "kvm"]).changes == {"ok": "loaded"}
    assert bench.call("kmod.present", name="nope").comment == "Kernel module nope is unavailable"
    assert bench.call("kmod.absent", name="ok", is_test=True).result is None
    assert bench.call("kmod.absent", name="ok").changes == {"ok": "removed"}
    assert bench.call("kmod.absent", name="ok").comment == "Kernel module ok is already removed"
    assert bench.call("kmod.present", name="-r").result is False
