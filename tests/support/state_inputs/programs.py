"""Inputs of states that lean on a program: supervisord, kmod, firewalld, SELinux, processes."""

from collections.abc import Callable
from pathlib import Path
from typing import Any, cast

from hypothesis import strategies as st

from limpet.states.ports.machine import Process
from support.fakes.host import FakeCommands, FakeFiles, FakeHost, FakeProcesses
from support.fakes.programs import FakeKernel, FakeSelinux, FakeSupervisor, FakeZones
from support.hosts.rooted import contained, rooted_files
from support.states.state_bench import StateBench
from support.states.state_laws import Arguments, Inputs, Sandbox, World, among, having

YES_OR_NO = (True, False)


def on(place: Path, host: FakeHost, looks: Callable[[], Any]) -> World:
    return Sandbox(StateBench(place, host=contained(host, place)), looks)


def with_supervisor(place: Path) -> World:
    """Give processes in every state, and one that is only configured."""
    supervisor = FakeSupervisor(
        {"up": "RUNNING", "down": "STOPPED", "g:a": "RUNNING", "g:b": "EXITED"}, ("new",)
    )
    return on(place, supervisor.host(), lambda: dict(supervisor.running))


def with_kernel(place: Path) -> World:
    """Give a kernel with one module loaded and two more to load."""
    for name, text in (("proc", "kvm 1 0 - Live 0x0\n"), ("etc", "kvm\n# old\n")):
        (place / name).mkdir()
        (place / name / "modules").write_text(text)
    programs = {"modprobe": "/sbin/modprobe", "modinfo": "/sbin/modinfo"}
    files = _ModulesOf(place / "proc/modules")
    host = FakeHost(
        FakeCommands(programs, FakeKernel(files).answer), cast("Any", rooted_files(place))
    )
    return on(place, host, tuple)


class _ModulesOf(FakeFiles):
    """Lets the made-up kernel keep its list in a file."""

    def __init__(self, path: Path) -> None:
        super().__init__({})
        self.texts = _Kept(path)


class _Kept(dict[str, str]):
    """One text, in a file."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.path = path

    def __getitem__(self, key: str) -> str:
        return self.path.read_text()

    def __setitem__(self, key: str, text: str) -> None:
        self.path.write_text("".join(f"{line}\n" for line in sorted(text.splitlines())))


def with_zones(place: Path) -> World:
    """Give a firewall with two zones."""
    zones = FakeZones({"public": {}, "web": {"services": ["ssh", "dns"], "ports": ["80/tcp"]}})

    def looks() -> Any:  # noqa: ANN401
        listed = {
            name: {what: sorted(each) for what, each in zone.items() if each}
            for name, zone in zones.zones.items()
        }
        return listed, zones.default, sorted(zones.masquerading)

    return on(place, zones.host(), looks)


def with_selinux(place: Path) -> World:
    """Give an enforcing SELinux with two switches and a rule."""
    files = FakeFiles({"/sys/fs/selinux/enforce": "1"})
    fake = FakeSelinux(
        files, {"httpd_x": ["off", "off"], "ftp_y": ["on", "off"]}, {"/old(/.*)?": "web_t"}
    )
    names = ("setenforce", "setsebool", "semanage", "restorecon")
    commands = FakeCommands({each: f"/sbin/{each}" for each in names}, fake.answer)

    def looks() -> Any:  # noqa: ANN401
        return dict(files.texts), {k: list(v) for k, v in fake.booleans.items()}, dict(fake.rules)

    return on(place, FakeHost(commands, files), looks)


class _Killable(FakeProcesses):
    """Processes that a signal ends."""

    def signal(self, pid: int, number: int) -> bool:
        is_there = super().signal(pid, number)
        self.table = [each for each in self.table if each.pid != pid]
        return is_there


def with_processes(place: Path) -> World:
    """Give three processes."""
    words = {11: ("nginx", "-g"), 12: ("worker", "--fast"), 13: ("worker",)}
    table = [
        Process(pid, 1, argv[0], argv, "www" if pid == 13 else "root", "S", 0.0)
        for pid, argv in words.items()
    ]
    processes = _Killable(table)
    return on(place, FakeHost(processes=processes), lambda: [e.pid for e in processes.table])


def of(
    world: Callable[[Path], World],
    arguments: st.SearchStrategy[Arguments],
    /,
    *,
    is_announced_in_changes: bool = False,
    **changing: Any,  # noqa: ANN401
) -> Inputs:
    return Inputs(
        world=world,
        arguments=arguments,
        changing=changing,
        is_announced_in_changes=is_announced_in_changes,
    )


MODULES = among("kvm", "br-netfilter", "ok", "nope")
RULE = {"name": among("/srv(/.*)?", "/old(/.*)?"), "sel_type": among("web_t", "x_t")}

INPUTS: dict[str, Inputs] = {
    "supervisord.running": of(
        with_supervisor,
        # `restart` restarts each time, as its name says; what `update` finds only it can tell.
        having({"name": among("up", "down", "new", "g:*", "g:a", "gone")}),
        name="down",
    ),
    "supervisord.dead": of(
        with_supervisor, having({"name": among("up", "down", "g:a", "gone")}), name="up"
    ),
    "kmod.present": of(
        with_kernel,
        having({"name": MODULES}, persist=YES_OR_NO, mods=(["ok", "kvm"], ["ok", "br-netfilter"])),
        name="ok",
    ),
    "kmod.absent": of(
        with_kernel,
        having({"name": MODULES}, persist=YES_OR_NO, comment=YES_OR_NO, mods=(["ok", "kvm"],)),
        name="kvm",
    ),
    "firewalld.present": of(
        with_zones,
        having(
            {"name": among("web", "public", "new")},
            services=(["ssh"], ["http"], []),
            prune_services=YES_OR_NO,
            ports=(["80/tcp"], ["1/udp", "80/tcp"], []),
            prune_ports=YES_OR_NO,
            masquerade=YES_OR_NO,
            default=YES_OR_NO,
            rich_rules=(["rule family=ipv4 drop"],),
        ),
        name="new",
        is_announced_in_changes=True,
    ),
    "selinux.mode": of(
        with_selinux, having({"name": among("enforcing", "permissive", "odd")}), name="permissive"
    ),
    "selinux.boolean": of(
        with_selinux,
        having({"name": among("httpd_x", "ftp_y", "gone"), "value": among("on", "off", True, 0)},
               persist=YES_OR_NO),
        name="httpd_x", value=True,
    ),
    "selinux.fcontext_policy_present": of(
        with_selinux, having(RULE), name="/srv(/.*)?", sel_type="web_t"
    ),
    "selinux.fcontext_policy_absent": of(
        with_selinux, having({"name": RULE["name"]}), name="/old(/.*)?"
    ),
    "process.absent": of(
        with_processes,
        having({"name": among("nginx", "worker", "none", "w")}, user=("root", "www")),
        name="worker",
    ),
}  # fmt: skip
