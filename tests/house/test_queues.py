"""A dict that is used as a queue is an OrderedDict.

The first entry of a plain dict is searched for behind all that were taken from its front: with ten
thousand minions 14 µs each time, which no count of calls or lines shows.
"""

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
ROOMS = ("common", "master", "minion")


def first_of_plain_dicts(text: str) -> Iterator[str]:
    """Give the attributes whose first entry is looked for and that are plain dicts."""
    for each in ast.walk(ast.parse(text)):
        if isinstance(each, ast.ClassDef):
            plain = set(_plain_dicts(each))
            yield from (name for name in _first_of(each) if name in plain)


def _plain_dicts(owner: ast.ClassDef) -> Iterator[str]:
    for each in ast.walk(owner):
        if isinstance(each, ast.AnnAssign | ast.Assign) and isinstance(each.value, ast.Dict):
            targets = each.targets if isinstance(each, ast.Assign) else [each.target]
            yield from (name for target in targets if (name := _of_self(target)))


def _first_of(owner: ast.ClassDef) -> Iterator[str]:
    for each in ast.walk(owner):
        if not (isinstance(each, ast.Call) and ast.unparse(each.func) == "next" and each.args):
            continue
        source = each.args[0]
        if isinstance(source, ast.Call) and ast.unparse(source.func) == "iter":
            source = source.args[0]
        elif isinstance(source, ast.GeneratorExp) and not source.generators[0].ifs:
            source = source.generators[0].iter
        else:
            continue
        if isinstance(source, ast.Call) and isinstance(source.func, ast.Attribute):
            source = source.func.value  # .values(), .items()
        if name := _of_self(source):
            yield name


def _of_self(node: ast.expr) -> str:
    is_own = isinstance(node, ast.Attribute) and ast.unparse(node.value) == "self"
    return node.attr if is_own else ""  # type: ignore[attr-defined]


def test_nobody_looks_for_the_first_entry_of_a_plain_dict() -> None:
    found = [
        f"{path.relative_to(ROOT)}: {name}"
        for room in ROOMS
        for path in sorted((ROOT / room).rglob("*.py"))
        for name in first_of_plain_dicts(path.read_text())
    ]
    assert found == []


def test_the_rule_can_fail() -> None:
    text = """
class Queue:
    def __init__(self):
        self._a: dict[str, int] = {}
        self._b = {}
        self._c = OrderedDict()

    def take(self):
        next(iter(self._a))
        next(iter(self._b.items()))
        next((each for each in self._b.values()), None)
        next(iter(self._c))
        next((each for each in self._a if each > 1), None)
"""
    assert list(first_of_plain_dicts(text)) == ["_a", "_b", "_b"]
