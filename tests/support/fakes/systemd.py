"""A made-up systemd behind `systemctl`, as far as limpet asks it: units, boot, masks."""

from dataclasses import dataclass, field

from limpet.states.host.services.manager import BOOTED
from limpet.states.ports.machine import Command, Completed
from support.fakes.host import FakeCommands, FakeFiles, FakeHost

_GOOD_AT_BOOT = ("enabled", "static", "generated")


@dataclass
class Unit:
    """One unit; `refuses` names the verbs that it fails, `ignores` those that do nothing."""

    active: str = "inactive"
    boot: str = "disabled"
    needs_reload: bool = False
    refuses: tuple[str, ...] = ()
    ignores: tuple[str, ...] = ()
    boot_unmasked: str = "disabled"

    @property
    def is_masked(self) -> bool:
        return self.boot.startswith("masked")


@dataclass
class FakeSystemd:
    """Answers `systemctl`; what it was asked stands in `calls`, without what only looks."""

    units: dict[str, Unit] = field(default_factory=dict)
    calls: list[str] = field(default_factory=list)

    def host(self) -> FakeHost:
        """Give a made-up machine that this systemd runs."""
        commands = FakeCommands(installed={"systemctl": "/usr/bin/systemctl"}, answer=self.answer)
        return FakeHost(commands=commands, files=FakeFiles(directories={"/", BOOTED}))

    def answer(self, command: Command) -> Completed:
        assert command.argv[0] == "/usr/bin/systemctl"
        assert command.timeout_s is not None
        words = list(command.argv[1:])
        options = [each for each in words if each.startswith("-") and each != "--"]
        verb, *names = [each for each in words if not each.startswith("-")]
        if verb not in ("show", "is-enabled", "list-unit-files", "list-units"):
            self.calls.append(" ".join(each for each in words if each != "--"))
        if verb == "daemon-reload":
            for each in self.units.values():
                each.needs_reload = False
            return _said("")
        if verb == "list-unit-files":
            return _said("".join(f"{n} {u.boot} enabled\n" for n, u in self.units.items()))
        if verb == "list-units":
            running = [n for n, u in self.units.items() if u.active == "active"]
            return _said("".join(f"{n} loaded active running The {n}\n" for n in running))
        assert words[words.index("--") + 1 :] == names, "a name stands after --"
        return self._about(verb, names[0], options)

    def _about(self, verb: str, name: str, options: list[str]) -> Completed:
        unit = self._find(name)
        if verb == "show":
            return _said(_shown(name, unit))
        if unit is None:
            return _refused(f"Failed to {verb} {name}: Unit {name} not found.", 5)
        if verb == "is-enabled":
            return Completed(1, 0, f"{unit.boot}\n".encode(), b"")
        if verb in unit.refuses:
            return _refused(f"Job for {name} failed.", 1)
        if verb in ("start", "restart", "reload", "enable", "reload-or-restart"):
            if unit.is_masked:
                return _refused(f"Failed to {verb} {name}: Unit {name} is masked.", 1)
            assert not unit.needs_reload, "an old definition would be used"
        if verb not in unit.ignores:
            self._do(verb, unit, "--runtime" in options)
        return _said("")

    def _find(self, name: str) -> Unit | None:
        before, at, rest = name.partition("@")
        template = self.units.get(f"{before}@.{rest.rpartition('.')[2]}")
        if name not in self.units and at and template is not None:
            self.units[name] = Unit(boot="disabled")
        return self.units.get(name)

    def _do(self, verb: str, unit: Unit, is_for_now: bool) -> None:
        if verb in ("start", "restart", "reload-or-restart"):
            unit.active = "active"
        elif verb == "stop":
            unit.active = "inactive"
        elif verb == "enable" and unit.boot == "disabled":
            unit.boot = "enabled"
        elif verb == "disable" and unit.boot == "enabled":
            unit.boot = "disabled"
        elif verb == "mask":
            unit.boot_unmasked = unit.boot if not unit.is_masked else unit.boot_unmasked
            unit.boot = "masked-runtime" if is_for_now else "masked"
        elif verb == "unmask":
            unit.boot = unit.boot_unmasked


def _shown(name: str, unit: Unit | None) -> str:
    if unit is None:
        return f"Id={name}\nLoadState=not-found\nActiveState=inactive\nUnitFileState=\n"
    return (
        f"Id={name}\nLoadState={'masked' if unit.is_masked else 'loaded'}\n"
        f"ActiveState={unit.active}\nUnitFileState={unit.boot}\n"
        f"NeedDaemonReload={'yes' if unit.needs_reload else 'no'}\n"
        "ExecStart={ path=/usr/sbin/it ; argv[]=/usr/sbin/it -x ; ignore_errors=no }\n"
    )


def _said(text: str) -> Completed:
    return Completed(1, 0, text.encode(), b"")


def _refused(text: str, retcode: int) -> Completed:
    return Completed(1, retcode, b"", f"{text}\n".encode())
