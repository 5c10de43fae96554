"""Rules of the house that ruff, mypy and import-linter cannot say."""

import ast
import re
import subprocess
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
ROOMS = ("common", "master", "minion", "states")

MACHINES = (
    "minion/core/machine.py",
    "minion/sessions/*.py",
    "minion/jobs/job_table.py",
    "minion/journal/records.py",
    "minion/files/*.py",
    "minion/swarm/minions/behaviour.py",
    "minion/swarm/minions/fetching.py",
    "minion/swarm/figures.py",
    "minion/swarm/minions/grains.py",
    "minion/swarm/histogram.py",
    "minion/swarm/minions/held_files.py",
    "minion/swarm/minions/jobs.py",
    "minion/swarm/minions/timers.py",
    "minion/swarm/minions/questions.py",
    "minion/upgrading/upgrade.py",
    "minion/upgrading/record.py",
    "master/core/machine.py",
    "master/sessions/*.py",
    "master/jobs/*.py",
    "master/enrolment/backoff.py",
    "master/upgrading/rollout.py",
    "master/core/coalescing.py",
    "master/enrolment/authority.py",
    "master/enrolment/requests.py",
    "master/enrolment/key_register.py",
    "master/files/answers.py",
    "master/files/requests.py",
    "master/files/in_flight.py",
    "master/files/lanes.py",
    "master/files/body_cache.py",
    "master/files/round_robin.py",
    "master/files/reads.py",
    "master/enrolment/tokens.py",
    "master/enrolment/key_table.py",
    "common/targeting/*.py",
    "common/messages/*.py",
)
"""Files that decide and never touch: no clock, no chance, no disk, no socket, no log."""

TOUCHING = {
    "time", "socket", "select", "os", "subprocess", "threading", "logging", "sqlite3",
    "zmq", "pathlib", "shutil", "tempfile", "secrets", "signal", "asyncio", "multiprocessing",
}  # fmt: skip


def sources() -> Iterator[Path]:
    for room in ROOMS:
        yield from sorted((ROOT / room).rglob("*.py"))


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found.add(node.module)
    return found


def test_machines_touch_nothing() -> None:
    offences = []
    for pattern in MACHINES:
        paths = sorted(ROOT.glob(pattern))
        assert paths, f"{pattern} matches nothing: the list is out of date"
        for path in paths:
            offences += [
                f"{path.relative_to(ROOT)} imports {name}"
                for name in imports_of(path) | clock_reads(path)
                if name.split(".")[0] in TOUCHING
            ]
    assert offences == []


def clock_reads(path: Path) -> set[str]:
    """Give `time.now` and the like for each call that asks `datetime` what time it is now."""
    return {
        f"time.{node.func.attr}"
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr in {"now", "utcnow", "today"}
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id in {"date", "datetime"}
    }


def test_the_rule_for_machines_can_fail(tmp_path: Path) -> None:
    (tmp_path / "machine.py").write_text("import time\n")
    assert imports_of(tmp_path / "machine.py") & TOUCHING == {"time"}
    (tmp_path / "machine.py").write_text("from datetime import datetime\ndatetime.now()\n")
    assert clock_reads(tmp_path / "machine.py") == {"time.now"}


def test_one_module_imports_zmq() -> None:
    touching = [p for p in sources() if any(n.split(".")[0] == "zmq" for n in imports_of(p))]
    assert [str(p.relative_to(ROOT)) for p in touching] == ["common/transport/raw.py"]


def test_nobody_imports_asyncio() -> None:
    assert [p for p in sources() if "asyncio" in imports_of(p)] == []


def test_nothing_loads_objects_from_data_or_runs_text_as_code() -> None:
    forbidden = re.compile(
        r"yaml\.(load|full_load|unsafe_load)\(|\bpickle\b|\bmarshal\.loads|\bos\.system\(|CURVE_ALLOW_ANY"
    )
    offences = [
        f"{path.relative_to(ROOT)}:{number}: {line.strip()}"
        for path in sources()
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if forbidden.search(line)
    ]
    assert offences == []


def test_no_file_does_too_many_jobs() -> None:
    long = {
        str(path.relative_to(ROOT)): count
        for path in sources()
        if (count := len(path.read_text(encoding="utf-8").splitlines())) > 500
    }
    assert long == {}


def test_every_module_says_what_it_is_for() -> None:
    silent = [
        str(path.relative_to(ROOT))
        for path in sources()
        if not ast.get_docstring(ast.parse(path.read_text(encoding="utf-8")))
    ]
    assert silent == []


def test_nothing_is_swallowed() -> None:
    offences = []
    for path in sources():
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not isinstance(node, ast.ExceptHandler):
                continue
            name = ast.unparse(node.type) if node.type is not None else "everything"
            is_broad = name in ("everything", "Exception", "BaseException")
            is_silent = all(isinstance(step, ast.Pass) for step in node.body)
            if is_broad and is_silent:
                offences.append(f"{path.relative_to(ROOT)}:{node.lineno}: swallows {name}")
    assert offences == []


def test_the_project_names_no_registry_and_no_machine() -> None:
    listed = subprocess.run(
        ["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout.split()
    words = re.compile(
        r"files\.python" + r"hosted|py" + r"pi\.org|/work/(main|shared)|deb\.deb" + r"ian"
    )
    offences = []
    for name in listed:
        path = ROOT / name
        if path.is_symlink() or not path.is_file():
            continue
        try:
            text = path.read_text(encoding="utf-8")
        except UnicodeDecodeError:
            continue
        offences += [f"{name}: {m.group()}" for m in words.finditer(text)]
    assert offences == []


@pytest.mark.slow
def test_wheel_and_sdist_hold_every_module(tmp_path: Path) -> None:
    """A linked folder is easily forgotten: the wheel, and the wheel built from the sdist, agree."""

    def build(source: Path, kind: str, target: Path) -> Path:
        subprocess.run(
            [sys.executable, "-m", "hatchling", "build", "-t", kind, "-d", str(target)],
            cwd=source,
            check=True,
            capture_output=True,
        )
        return next(target.iterdir())

    wheel = build(ROOT, "wheel", tmp_path / "a")
    sdist = build(ROOT, "sdist", tmp_path / "b")
    subprocess.run(["tar", "xf", str(sdist), "-C", str(tmp_path)], check=True)
    unpacked = next(path for path in tmp_path.iterdir() if path.name.startswith("limpet-"))
    again = build(unpacked, "wheel", tmp_path / "c")
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        names = {name for name in first.namelist() if name.startswith("limpet/")}
        assert names == {name for name in second.namelist() if name.startswith("limpet/")}
    examples = (path for path in (ROOT / "states" / "examples").rglob("*") if path.is_file())
    expected = {f"limpet/{path.relative_to(ROOT)}" for path in (*sources(), *examples)}
    assert expected <= names
