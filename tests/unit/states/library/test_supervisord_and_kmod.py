"""`supervisord` and `kmod` on made-up programs."""

from dataclasses import dataclass, field
from pathlib import Path

import pytest

from limpet.common.errors import HostError
from limpet.states.functions import registry
from limpet.states.outcome import Outcome
from limpet.states.ports import Command, Completed
from support.fake_host import FakeCommands, FakeFiles, FakeHost, make_context
from support.state_bench import StateBench


@dataclass
class FakeSupervisor:
    """Answers `supervisorctl`: processes that are known, and those that the configuration has."""

    running: dict[str, str] = field(default_factory=dict)
    configured: tuple[str, ...] = ()
    calls: list[str] = field(default_factory=list)

    def host(self) -> FakeHost:
        return FakeHost(FakeCommands({"supervisorctl": "/bin/supervisorctl"}, self.answer))

    def answer(self, command: Command) -> Completed:
        verb, *names = command.argv[1:]
        if verb == "status":
            lines = [f"{n:30} {s}   pid 4, uptime 0:01\n" for n, s in self.running.items()]
            return Completed(1, 0, "".join(lines).encode(), b"")
        self.calls.append(" ".join([verb, *names]))
        told = f"{names[0] if names else ''}: {verb}ed"
        if verb in ("add", "update"):
            new = [each for each in self.configured if each not in self.running]
            if verb == "add" and names[0] not in new:
                return Completed(1, 1, f"ERROR: no such process/group: {names[0]}".encode(), b"")
            self.running.update(dict.fromkeys(new, "STARTING"))
        if verb in ("start", "restart", "stop"):
            group = names[0].partition(":")[0]
            for each in self.running:
                if each == names[0] or (":" in names[0] and each.startswith(f"{group}:")):
                    self.running[each] = "STOPPED" if verb == "stop" else "RUNNING"
        return Completed(1, 0, told.encode(), b"")


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


@dataclass
class FakeKernel:
    """Answers `modprobe` and `modinfo`, and keeps the list of what is loaded."""

    files: FakeFiles

    def answer(self, command: Command) -> Completed:
        program, name = command.argv[0], command.argv[-1]
        if program == "/sbin/modinfo":
            return Completed(1, 0 if name in ("br-netfilter", "ok") else 1, b"", b"")
        lines = (self.files.texts["/proc/modules"]).splitlines()
        shown = name.replace("-", "_")
        kept = [line for line in lines if not line.startswith(f"{shown} ")]
        kept += [] if "-r" in command.argv else [f"{shown} 1 0 - Live 0x0"]
        self.files.texts["/proc/modules"] = "".join(f"{line}\n" for line in kept)
        return Completed(1, 0, b"", b"")


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
