"""Which failure is shown by which test: read from the `covers` marks, written to a page.

python -m support.pages.failure_page --write
"""

import argparse
import ast
import sys
from functools import cache
from pathlib import Path

TESTS = Path(__file__).parents[2]
PAGE = TESTS.parent / "docs" / "failure-coverage.md"

FIRST_30 = tuple(
    "A1 A2 A3 A4 A6 A9 A12 A15 A18 A21 B1 B5 B6 B7 B13 B17 C1 C2 C3 C5 "  # noqa: SIM905
    "D1 D2 D5 D6 D14 E1 E5 F1 F2 F3 H1 H3 I1 I12".split()
)
"""The scenarios that strand minions most often or most silently."""

GROUPS = {
    "A": "Connect and authenticate",
    "B": "Half-open connections and the network",
    "C": "Master restart and crash",
    "D": "Minion crash, restart, upgrade",
    "E": "Overload, herd, back-pressure",
    "F": "Jobs and returns",
    "G": "Bad messages",
    "H": "Identity and keys",
    "I": "Disk, file descriptors, memory, clock",
    "J": "Operations",
    "K": "Observability",
    "B-": "Bad inputs on the wire",
}


def _table(name: str) -> dict[str, str]:
    lines = (Path(__file__).parent / name).read_text(encoding="utf-8").splitlines()
    rows = (line.split("\t", 1) for line in lines if line and not line.startswith("#"))
    return {number: text.strip() for number, text in rows}


def scenarios() -> dict[str, str]:
    """Give every scenario: id to the situation."""
    return _table("failure_scenarios.tsv")


def reasons() -> dict[str, str]:
    """Give the reason for each scenario that no test shows yet."""
    return _table("failure_reasons.tsv")


@cache
def marks() -> dict[str, list[str]]:
    """Give every covered id with the tests that carry it, found in the tests' own text."""
    found: dict[str, list[str]] = {}
    for path in sorted(TESTS.rglob("test_*.py")):
        tree = ast.parse(path.read_text(encoding="utf-8"), str(path))
        for node in ast.walk(tree):
            if not isinstance(node, ast.FunctionDef | ast.ClassDef):
                continue
            for decorator in node.decorator_list:
                for number in _covered(decorator):
                    test = f"{path.relative_to(TESTS.parent)}::{node.name}"
                    found.setdefault(number, []).append(test)
        for node in tree.body:  # pytestmark of a whole file
            if isinstance(node, ast.Assign) and any(
                isinstance(target, ast.Name) and target.id == "pytestmark"
                for target in node.targets
            ):
                for part in ast.walk(node.value):
                    for number in _covered(part):
                        found.setdefault(number, []).append(str(path.relative_to(TESTS.parent)))
    return found


def _covered(node: ast.AST) -> list[str]:
    if not (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "covers"
    ):
        return []
    return [str(each.value) for each in node.args if isinstance(each, ast.Constant)]


def order(number: str) -> tuple[int, str, int, str]:
    """Sort A1 before A10, and bad inputs last."""
    is_input = number.startswith("B-")
    digits = "".join(c for c in number if c.isdigit())
    return (int(is_input), number[0], int(digits), number)


def page() -> str:
    """Write the page."""
    covered, why = marks(), reasons()
    known = scenarios()
    shown = sum(1 for number in known if number in covered)
    lines = [
        "# Which failure is shown by which test",
        "",
        "Written by `make coverage-page` from the marks of the tests; a house test holds it true.",
        f"{shown} of {len(known)} scenarios have a test; each other one has its reason.",
        "",
    ]
    group = ""
    for number in sorted(known, key=order):
        here = "B-" if number.startswith("B-") else number[0]
        if here != group:
            group = here
            lines += [
                "",
                f"## {GROUPS[group]}",
                "",
                "| id | situation | shown by |",
                "|---|---|---|",
            ]
        tests = covered.get(number)
        text = (
            "<br>".join(f"`{test.removeprefix('tests/')}`" for test in tests[:4]) if tests else ""
        )
        if tests and len(tests) > 4:
            text += f"<br>and {len(tests) - 4} more"
        lines.append(
            f"| {number} | {known[number]} | {text or 'not yet: ' + why.get(number, '?')} |"
        )
    return "\n".join(lines) + "\n"


def main() -> int:
    """Write the page, or say that it is out of date."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true")
    if parser.parse_args().write:
        PAGE.write_text(page(), encoding="utf-8")
        return 0
    return int(PAGE.read_text(encoding="utf-8") != page())


if __name__ == "__main__":
    sys.exit(main())
