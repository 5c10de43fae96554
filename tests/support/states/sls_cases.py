"""The cases of `tests/compatibility/cases`: small trees and what Salt answers for each.

A test copies a case into a sandbox (`prepare`), runs its steps, brings each answer into the form of
`expected.json` (`restored`) and asks `difference` what is not equal. The rules for comparing are
those of the README beside the cases.
"""

import json
import os
import re
import shutil
import stat
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

CASES = Path(__file__).resolve().parents[2] / "compatibility" / "cases"

GRAINS: Mapping[str, Any] = {
    "id": "minion1",
    "os": "Debian",
    "os_family": "Debian",
    "osfullname": "Debian GNU/Linux",
    "oscodename": "bookworm",
    "osrelease": "12",
    "osmajorrelease": 12,
    "osfinger": "Debian-12",
    "osarch": "amd64",
    "cpuarch": "x86_64",
    "kernel": "Linux",
    "host": "minion1",
    "fqdn": "minion1.example.org",
    "domain": "example.org",
    "nodename": "minion1",
    "num_cpus": 2,
    "mem_total": 2048,
    "virtual": "kvm",
    "init": "systemd",
    "localhost": "minion1",
    "ipv4": ["127.0.0.1", "192.0.2.10"],
    "roles": ["web", "db"],
    "datacenter": "ams",
}
"""The minion of every case."""


@dataclass(frozen=True)
class Step:
    """One call of a case, and what Salt answered."""

    case: str
    number: int
    function: str
    arguments: list[Any]
    keywords: dict[str, Any]
    retcode: int
    expected: Any

    @property
    def label(self) -> str:
        """How lists and test ids name it: `req-missing:0`."""
        return f"{self.case}:{self.number}"


@dataclass(frozen=True)
class Case:
    """One folder of `cases`."""

    name: str
    folder: Path
    topic: str
    description: str
    raw_steps: list[dict[str, Any]]
    answers: list[dict[str, Any]]
    minion: dict[str, Any]
    grains: dict[str, Any]
    tree: dict[str, Any] | None

    def steps(self) -> list[Step]:
        """Give the steps as they stand, with `@TMP@` in them."""
        return [
            Step(
                self.name,
                number,
                step["fun"],
                list(step.get("args", [])),
                dict(step.get("kwargs", {})),
                answer["retcode"],
                answer["return"],
            )
            for number, (step, answer) in enumerate(zip(self.raw_steps, self.answers, strict=True))
        ]


@dataclass
class Sandbox:
    """A case that was copied to a place of its own."""

    case: Case
    tmp: Path
    """What stands for `@TMP@`: the directory that runs may change."""
    work: Path
    """`@WORK@`, its parent: configuration, roots, cache."""
    file_roots: dict[str, list[str]] = field(default_factory=dict)
    pillar_roots: dict[str, list[str]] = field(default_factory=dict)

    @property
    def grains(self) -> dict[str, Any]:
        """The case's minion."""
        return {**GRAINS, **self.filled(self.case.grains)}

    @property
    def configuration(self) -> dict[str, Any]:
        """The extra configuration that the case gives its minion."""
        filled: dict[str, Any] = self.filled(self.case.minion)
        return filled

    def steps(self) -> list[Step]:
        """Give the steps to run, with the sandbox's path in them."""
        return [
            Step(
                each.case,
                each.number,
                each.function,
                self.filled(each.arguments),
                self.filled(each.keywords),
                each.retcode,
                each.expected,
            )
            for each in self.case.steps()
        ]

    def filled(self, value: Any) -> Any:  # noqa: ANN401
        """Put the sandbox's path in place of `@TMP@`."""
        return _mapped(
            value,
            lambda text: text.replace("@TMP@", str(self.tmp)).replace("@WORK@", str(self.work)),
        )

    def restored(self, value: Any) -> Any:  # noqa: ANN401
        """Put `@TMP@` back into an answer."""
        return _mapped(
            value,
            lambda text: text.replace(str(self.tmp), "@TMP@").replace(str(self.work), "@WORK@"),
        )

    def tree(self) -> dict[str, Any]:
        """Describe the sandbox as `expected.json` does."""
        found: dict[str, Any] = {}
        for path in sorted(self.tmp.rglob("*")):
            name = str(path.relative_to(self.tmp))
            status = path.lstat()
            mode = f"{stat.S_IMODE(status.st_mode):04o}"
            if path.is_symlink():
                found[name] = {"type": "link", "target": self.restored(os.readlink(path))}
            elif path.is_dir():
                found[name] = {"type": "dir", "mode": mode}
            else:
                text = path.read_bytes().decode("utf-8", "backslashreplace")
                found[name] = {"type": "file", "mode": mode, "contents": self.restored(text)}
        return found


def cases() -> Iterator[Case]:
    """Give all cases by name."""
    for folder in sorted(CASES.iterdir()):
        if not (folder / "case.yaml").is_file():
            continue
        described = yaml.safe_load((folder / "case.yaml").read_text(encoding="utf-8"))
        expected = json.loads((folder / "expected.json").read_text(encoding="utf-8"))
        yield Case(
            folder.name,
            folder,
            described["topic"],
            described["description"],
            described["steps"],
            expected["steps"],
            described.get("minion") or {},
            described.get("grains") or {},
            expected.get("tree"),
        )


def prepare(case: Case, place: Path) -> Sandbox:
    """Copy a case below `place`, with the sandbox's path in every file."""
    tmp = place / "sandbox"
    tmp.mkdir(mode=0o755)
    sandbox = Sandbox(case, tmp, place)
    for path in sorted(case.folder.rglob("*")):
        if path.is_dir() or path.name in ("case.yaml", "expected.json"):
            continue
        inside = path.relative_to(case.folder)
        if inside.name.endswith(".py.txt"):  # so named that no linter takes them for ours
            inside = inside.with_suffix("")
        target = tmp.joinpath(*inside.parts[1:]) if inside.parts[0] == "files" else place / inside
        target.parent.mkdir(parents=True, exist_ok=True)
        if path.is_symlink():
            target.symlink_to(sandbox.filled(os.readlink(path)))
            continue
        content = path.read_bytes().replace(b"@TMP@", str(tmp).encode())
        target.write_bytes(content.replace(b"@WORK@", str(place).encode()))
        shutil.copymode(path, target)
    for environment, suffix in (("base", ""), ("dev", "-dev")):
        # Salt knows the environment `dev` only where the case has a folder for it.
        if environment == "base" or (place / f"states{suffix}").is_dir():
            sandbox.file_roots[environment] = [str(place / f"states{suffix}")]
        if environment == "base" or (place / f"pillar{suffix}").is_dir():
            sandbox.pillar_roots[environment] = [str(place / f"pillar{suffix}")]
    for roots in (sandbox.file_roots, sandbox.pillar_roots):
        for each in roots.values():
            Path(each[0]).mkdir(exist_ok=True)
    return sandbox


def difference(step: Step, answer: Any, retcode: int | None = None) -> str | None:  # noqa: ANN401
    """Say what differs between Salt's answer and this one; None: they are equal.

    `answer` has been `restored`. Orders count only by rank, run numbers too; errors are compared
    by what they name, not by the words of a parser.
    """
    expected = step.expected
    if retcode is not None and (retcode == 0) != (step.retcode == 0):
        return f"retcode {retcode}, expected {step.retcode}; answer {_short(answer)}"
    if isinstance(expected, dict) and set(expected) == {"error"}:
        is_error = isinstance(answer, dict) and set(answer) == {"error"}
        return None if is_error else f"expected an error, got {_short(answer)}"
    if _is_errors(expected):
        return _errors_differ(expected, answer)
    if _is_results(expected):
        return _results_differ(expected, answer)
    if _is_chunks(expected) and _is_chunks(answer):
        expected, answer = _by_rank(expected), _by_rank(answer)
    if expected == answer:
        return None
    return _first_difference(expected, answer, "")


def results_in_order(results: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Bring a run's results, by Salt's keys, into the form of `expected.json`."""
    ordered = sorted(results.items(), key=lambda each: each[1].get("__run_num__", 0))
    found = []
    for key, result in ordered:
        kept = {k: v for k, v in result.items() if k not in ("duration", "start_time", "pid")}
        found.append({"key": key, **kept})
    return found


def _mapped(value: Any, change: Any) -> Any:  # noqa: ANN401
    if isinstance(value, str):
        return change(value)
    if isinstance(value, Mapping):
        return {_mapped(k, change): _mapped(v, change) for k, v in value.items()}
    if isinstance(value, list | tuple):
        return [_mapped(each, change) for each in value]
    return value


def _is_errors(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, list) and bool(value) and all(isinstance(each, str) for each in value)


def _is_chunks(value: Any) -> bool:  # noqa: ANN401
    return isinstance(value, list) and all(isinstance(x, dict) and "order" in x for x in value)


def _is_results(value: Any) -> bool:  # noqa: ANN401
    return (
        isinstance(value, list)
        and bool(value)
        and all(isinstance(each, dict) and "__run_num__" in each for each in value)
    )


def _by_rank(chunks: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Put ranks in place of the huge order numbers of `last` and of negative ones."""
    huge = sorted({each["order"] for each in chunks if each["order"] > 900_000})
    return [
        {**each, "order": f"late {huge.index(each['order'])}"} if each["order"] in huge else each
        for each in chunks
    ]


_PARSER_SAID = re.compile(r"(Rendering SLS '?[\w:.-]+'? failed)")
_LINE = re.compile(r"; line (\d+)")


def _kind(error: str) -> str:
    """Reduce an error to what must match: for a file that does not render, which one."""
    found = _PARSER_SAID.match(error)
    if not found:
        return error
    sls = re.sub(r"'(?:\w+:)?([\w.-]+)'", r"\1", found.group(1))
    line = _LINE.search(error)
    return f"{sls} line {line.group(1)}" if line else sls


def _errors_differ(expected: list[str], answer: Any) -> str | None:  # noqa: ANN401
    if not _is_errors(answer):
        return f"expected errors {expected}, got {_short(answer)}"
    ours = [_kind(each) for each in answer]
    theirs = [_kind(each) for each in expected]
    # A line that Salt does not give may be given.
    shortened = [
        our.partition(" line ")[0] if our.partition(" line ")[0] in theirs else our for our in ours
    ]
    if shortened == theirs:
        return None
    return f"errors {shortened}, expected {theirs}"


_RESULT_KEYS = ("key", "result", "changes", "name", "__id__", "__sls__")


def _results_differ(expected: list[dict[str, Any]], answer: Any) -> str | None:  # noqa: ANN401
    if not _is_results(answer):
        return f"expected results, got {_short(answer)}"
    for place, (theirs, ours) in enumerate(zip(expected, answer, strict=False)):
        for key in _RESULT_KEYS:
            if theirs.get(key) != ours.get(key):
                return (
                    f"result {place} ({theirs.get('key')}): {key} is {ours.get(key)!r}, "
                    f"expected {theirs.get(key)!r}; comment {ours.get('comment')!r}, "
                    f"expected {theirs.get('comment')!r}"
                )
    if len(expected) != len(answer):
        return f"{len(answer)} results, expected {len(expected)}"
    return None


def _first_difference(expected: Any, answer: Any, where: str) -> str:  # noqa: ANN401
    if isinstance(expected, dict) and isinstance(answer, dict):
        for key in [*expected, *answer]:
            if expected.get(key, _MISSING) != answer.get(key, _MISSING):
                return _first_difference(
                    expected.get(key, _MISSING), answer.get(key, _MISSING), f"{where}.{key}"
                )
    if isinstance(expected, list) and isinstance(answer, list) and len(expected) == len(answer):
        for index, (theirs, ours) in enumerate(zip(expected, answer, strict=True)):
            if theirs != ours:
                return _first_difference(theirs, ours, f"{where}[{index}]")
    return f"at {where or 'the top'}: {_short(answer)}, expected {_short(expected)}"


class _Missing:
    def __repr__(self) -> str:
        return "nothing"


_MISSING = _Missing()


def _short(value: Any) -> str:  # noqa: ANN401
    text = repr(value)
    return text if len(text) < 1500 else text[:1500] + "…"
