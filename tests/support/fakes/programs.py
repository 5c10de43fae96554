"""Made-up programs that keep what they are told: supervisord, kernel modules, zones, SELinux."""

from dataclasses import dataclass, field

from limpet.states.ports.machine import Command, Completed
from support.fakes.host import FakeCommands, FakeFiles, FakeHost


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


@dataclass
class FakeZones:
    """Answers `firewall-cmd`: the zones for good, by name, with what they list."""

    zones: dict[str, dict[str, list[str]]] = field(default_factory=dict)
    default: str = "public"
    masquerading: set[str] = field(default_factory=set)
    changes: list[str] = field(default_factory=list)

    def host(self) -> FakeHost:
        return FakeHost(FakeCommands({"firewall-cmd": "/bin/firewall-cmd"}, self.answer))

    def answer(self, command: Command) -> Completed:
        words = [each for each in command.argv[1:] if each != "--permanent"]
        zone = next((e.partition("=")[2] for e in words if e.startswith("--zone=")), "")
        verb, _, value = words[-1].partition("=")
        verb = verb.removeprefix("--")
        if verb == "get-zones":
            return _said(" ".join(self.zones))
        if verb == "get-default-zone":
            return _said(self.default)
        if verb == "query-masquerade":
            return Completed(1, 0 if zone in self.masquerading else 1, b"", b"")
        if verb.startswith("list-"):
            between = "\n" if verb in ("list-rich-rules", "list-forward-ports") else " "
            return _said(between.join(self.zones[zone].get(verb.removeprefix("list-"), [])))
        self.changes.append(words[-1])
        if verb == "new-zone":
            self.zones[value] = {}
        elif verb == "set-default-zone":
            self.default = value
        elif verb.endswith("-masquerade"):
            (self.masquerading.add if verb[:3] == "add" else self.masquerading.discard)(zone)
        elif verb.startswith(("add-", "remove-")):
            what = self.zones[zone].setdefault(f"{verb.partition('-')[2]}s", [])
            (what.append if verb[:3] == "add" else what.remove)(value)
        return _said("success")


@dataclass
class FakeSelinux:
    """Answers the tools of SELinux and keeps what they set in made-up files."""

    files: FakeFiles
    booleans: dict[str, list[str]] = field(default_factory=lambda: {"httpd_x": ["off", "off"]})
    rules: dict[str, str] = field(default_factory=dict)

    def answer(self, command: Command) -> Completed:
        program, *words = [command.argv[0].rpartition("/")[2], *command.argv[1:]]
        if program == "setenforce":
            self.files.texts["/sys/fs/selinux/enforce"] = words[0]
        elif program == "setsebool":
            self.booleans[words[-2]] = [words[-1], words[-1] if "-P" in words else "off"]
        elif words[:2] == ["boolean", "-l"]:
            return _said(
                "\n".join(f"{n} ({s[0]} , {s[1]})  Text" for n, s in self.booleans.items())
            )
        elif words[:2] == ["fcontext", "-l"]:
            line = "{}    all files          system_u:object_r:{}:s0"
            return _said("\n".join(line.format(n, t) for n, t in self.rules.items()))
        elif words[0] == "fcontext" and words[1] in ("-a", "-m"):
            self.rules[words[-1]] = words[words.index("-t") + 1]
        elif words[0] == "fcontext":
            del self.rules[words[-1]]
        return _said("")


def _said(text: str) -> Completed:
    return Completed(1, 0, f"{text}\n".encode(), b"")
