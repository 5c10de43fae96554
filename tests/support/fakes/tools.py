"""Made-up `update-alternatives`, debconf and pip: they keep in memory what they are told."""

import json
from dataclasses import dataclass, field
from pathlib import Path

from limpet.states.functions.pip import versions
from limpet.states.ports.machine import Command, Completed


@dataclass
class Links:
    """What stands behind one name of alternatives."""

    link: str
    priorities: dict[str, int]
    chosen: str = ""
    """Empty: automatic."""

    @property
    def current(self) -> str:
        return self.chosen or max(self.priorities, key=lambda each: self.priorities[each])


@dataclass
class FakeAlternatives:
    """Answers `update-alternatives`."""

    names: dict[str, Links] = field(default_factory=dict)

    def __call__(self, words: list[str], _: str) -> tuple[int, str]:
        verb, *rest = words
        if verb == "--install":
            link, name, path, priority = rest
            self.names.setdefault(name, Links(link, {})).priorities[path] = int(priority)
            self.names[name].link = link
            return 0, ""
        links = self.names.get(rest[0])
        if links is None:
            return 2, f"error: no alternatives for {rest[0]}"
        if verb == "--display":
            return 0, self._display(rest[0], links)
        if verb == "--auto":
            links.chosen = ""
        elif rest[1] not in links.priorities:
            return 2, f"error: alternative {rest[1]} isn't registered"
        elif verb == "--set":
            links.chosen = rest[1]
        else:
            assert verb == "--remove", words
            del links.priorities[rest[1]]
            links.chosen = "" if links.chosen == rest[1] else links.chosen
            if not links.priorities:
                del self.names[rest[0]]
        return 0, ""

    def _display(self, name: str, links: Links) -> str:
        lines = [
            f"{name} - {'manual' if links.chosen else 'auto'} mode",
            f"  link currently points to {links.current}",
            f"  link {name} is {links.link}",
        ]
        lines += [f"{path} - priority {number}" for path, number in links.priorities.items()]
        return "\n".join(lines)

    def look(self) -> object:
        """Give all, as something that can be compared."""
        return {
            name: (links.link, dict(links.priorities), links.chosen)
            for name, links in self.names.items()
        }


@dataclass
class FakeDebconf:
    """Answers the tools of debconf: type and value by question."""

    answers: dict[str, tuple[str, str]] = field(default_factory=dict)

    def communicate(self, words: list[str], stdin: str) -> tuple[int, str]:
        said = []
        for line in stdin.splitlines():
            verb, question, *_ = line.split()
            found = self.answers.get(question)
            told = found[0 if verb == "METAGET" else 1] if found else f"{question} doesn't exist"
            said.append(f"{0 if found else 10} {told}")
        return 0, "\n".join(said)

    def set_selections(self, words: list[str], stdin: str) -> tuple[int, str]:
        for line in stdin.splitlines():
            _, question, kind, *value = line.split(" ", 3)
            self.answers[question] = (kind, "".join(value))
        return 0, ""


@dataclass
class FakePip:
    """Answers `python -m pip` and `python -m venv`, for the machine and each environment."""

    index: dict[str, list[str]] = field(default_factory=dict)
    """Versions by name, the newest last."""
    present: dict[str, dict[str, str]] = field(default_factory=lambda: {"": {}})
    """Versions by name, by the environment's folder; that of the machine is empty."""

    def answer(self, command: Command) -> Completed:
        program, _, module, *words = command.argv
        if module == "venv":
            return self._make(Path(words[-1]), "--clear" in words)
        place = program.removesuffix("/bin/python")
        return self._pip(self.present["" if place == program else place], words)

    def _make(self, place: Path, is_clear: bool) -> Completed:
        python = place / "bin/python"
        python.parent.mkdir(parents=True, exist_ok=True)
        python.touch(mode=0o755)
        if is_clear or str(place) not in self.present:
            self.present[str(place)] = {}
        return _said("")

    def _pip(self, present: dict[str, str], words: list[str]) -> Completed:
        verb, *rest = words
        names = rest[rest.index("--") + 1 :] if "--" in rest else []
        for each in rest:
            if each.startswith("--requirement="):
                names += Path(each.partition("=")[2]).read_text().split()
        if verb == "freeze":
            return _said("".join(f"{name}=={number}\n" for name, number in present.items()))
        if verb == "uninstall":
            for each in names:
                present.pop(each, None)
            return _said("")
        if verb == "list":
            rows = [{"name": name, "version": number} for name, number in present.items()]
            if "--outdated" in rest:
                rows = [
                    {**row, "latest_version": self.index[row["name"]][-1]}
                    for row in rows
                    if row["version"] != self.index[row["name"]][-1]
                ]
            return _said(json.dumps(rows))
        assert verb == "install", words
        plan: dict[str, str] = {}
        for each in names:
            wanted = versions.requirement(each)
            fitting = [v for v in self.index.get(wanted.name, []) if wanted.is_met(v)]
            if not fitting:
                return Completed(1, 1, b"", f"ERROR: no distribution for {each}\n".encode())
            have = present.get(wanted.name)
            is_kept = have is not None and wanted.is_met(have) and "--upgrade" not in rest
            if (not is_kept or "--force-reinstall" in rest) and have != fitting[-1]:
                plan[wanted.name] = fitting[-1]
        if "--dry-run" in rest:
            rows_ = [{"metadata": {"name": n, "version": v}} for n, v in plan.items()]
            return _said(json.dumps({"install": rows_}))
        present.update(plan)
        return _said("")


def _said(text: str) -> Completed:
    return Completed(1, 0, text.encode(), b"")
