"""The rooms of master and minion: nothing loose, none too full, each entered by its doors only."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SIDES = ("master", "minion")

LOOSE = {
    "common": {"clock", "errors", "identifiers"},
    "states": {"context", "discovery", "outcome", "versions"},
    "master": set[str](),
    "minion": set[str](),
}
"""What stands at the top of a room beside its folders; this may only become less."""

FULL = 20
FULLER = {
    "states/functions": 40,  # one file for each Salt module, found by its name
    "states/library": 35,  # likewise
    "states/library/file": 26,  # likewise
    "tests/support/simulator": 39,
}
"""Folders that hold more files, and how many they may: this may only become less."""

ASSEMBLERS = {"core", "process", "commands", "observability", "setup"}
"""Rooms that put the others together, and may look into each."""

CARRIERS = {
    *("backup", "client", "commands", "control", "observability", "process", "setup", "store"),
    *("io", "spool", "swarm", "workers"),
}
"""Folders that touch the world. What is in none of them decides, and touches nothing."""

WORLD = {
    *("asyncio", "fcntl", "mmap", "select", "selectors", "shutil", "signal", "socket", "sqlite3"),
    *("subprocess", "tempfile", "threading", "time", "zmq"),
}
DATA_OF_CARRIERS = {
    "limpet.common.transport.events",
    "limpet.master.store.operations",
    "limpet.minion.control.messages",
}
"""Modules of plain data, written where the carriers are that hand them over."""


def modules(*rooms: str) -> Iterator[Path]:
    """Give the files of rooms, relative to the project."""
    for room in rooms:
        for path in sorted((ROOT / room).rglob("*.py")):
            yield path.relative_to(ROOT)


def imports(path: Path) -> Iterator[str]:
    """Give the full names of all modules that a file imports, wherever in it."""
    for node in ast.walk(ast.parse((ROOT / path).read_text())):
        if isinstance(node, ast.Import):
            yield from (each.name for each in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            if is_package(node.module):
                yield from (module_of(node.module, each.name) for each in node.names)
            else:
                yield node.module


def is_package(module: str) -> bool:
    """Say whether this is a folder of ours."""
    return module.startswith("limpet.") and (ROOT / "/".join(module.split(".")[1:])).is_dir()


def module_of(package: str, name: str) -> str:
    """Give what `from package import name` loads: a module of it, or the package itself."""
    place = ROOT / "/".join(package.split(".")[1:]) / name
    return f"{package}.{name}" if place.is_dir() or place.with_suffix(".py").exists() else package


def interface_of(side: str, room: str) -> set[str]:
    """Give the modules of a room that other rooms may use, as its `__init__` tells them."""
    for node in ast.parse((ROOT / side / room / "__init__.py").read_text()).body:
        if isinstance(node, ast.AnnAssign) and ast.unparse(node.target) == "INTERFACE":
            assert node.value is not None
            return set(ast.literal_eval(node.value))
    return set()


def used_by_others(side: str) -> dict[str, dict[str, set[str]]]:
    """Give, for each room of a side, the modules that others use, and who does."""
    used: dict[str, dict[str, set[str]]] = {}
    for path in modules(side):
        if len(path.parts) < 3 or path.parts[1] in ASSEMBLERS:
            continue
        for module in imports(path):
            parts = module.split(".")
            if parts[:2] == ["limpet", side] and len(parts) > 2 and parts[2] != path.parts[1]:
                users = used.setdefault(parts[2], {}).setdefault(".".join(parts[3:]), set())
                users.add(path.as_posix())
    return used


@pytest.mark.parametrize("room", sorted(LOOSE))
def test_nothing_stands_loose_beside_the_folders_of_a_room(room: str) -> None:
    assert {path.stem for path in (ROOT / room).glob("*.py")} - {"__init__"} == LOOSE[room]


def test_no_folder_is_too_full_and_no_exception_is_larger_than_it_need_be() -> None:
    counts: dict[str, int] = {}
    for path in modules("common", "states", *SIDES, "packaging", "tests"):
        folder = path.parent.as_posix()
        counts[folder] = counts.get(folder, 0) + 1
    assert {folder: count for folder, count in counts.items() if count > FULL} == FULLER


@pytest.mark.parametrize("path", sorted(modules(*SIDES)), ids=str)
def test_what_decides_touches_nothing(path: Path) -> None:
    if CARRIERS & set(path.parts[:-1]):
        return
    for module in imports(path):
        parts = module.split(".")
        assert parts[0] not in WORLD, module
        if parts[0] == "limpet" and module not in DATA_OF_CARRIERS:
            is_carrier = parts[1] in SIDES and bool(CARRIERS & set(parts[2:]))
            is_shell = parts[1] == "common" and parts[2] in ("service", "storage", "transport")
            assert not is_carrier, module
            assert not is_shell, module


@pytest.mark.parametrize("side", SIDES)
def test_rooms_use_of_each_other_what_the_room_says_is_for_all(side: str) -> None:
    used = used_by_others(side)
    for room in sorted(path.name for path in (ROOT / side).iterdir() if path.is_dir()):
        if room == "__pycache__":
            continue
        users = used.get(room, {})
        assert set(users) == interface_of(side, room), (room, users)


def test_the_one_who_looks_is_not_blind() -> None:
    assert "jobs" in used_by_others("master")
    assert interface_of("master", "jobs")
    assert "limpet.common.transport.raw" in set(imports(Path("common/transport/authenticator.py")))
