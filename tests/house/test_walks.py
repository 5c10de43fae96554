"""The walks of ARCHITECTURE.md name files and functions that are there."""

import ast
import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "ARCHITECTURE.md").read_text()
WALKS = PAGE.partition("## Four walks")[2]
STEP = re.compile(r"`((?:[\w]+/)+\w+\.py)`\s+`([\w.]+)`")
"""A file, and after it what to look for there."""


def names_in(path: Path) -> set[str]:
    """Give the functions and classes of a file, methods as `Class.method`."""
    found = set()
    for node in ast.parse(path.read_text()).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        if isinstance(node, ast.ClassDef):
            found |= {
                f"{node.name}.{each.name}"
                for each in node.body
                if isinstance(each, ast.FunctionDef)
            }
    return found


@pytest.mark.parametrize("path, name", sorted(set(STEP.findall(WALKS))))
def test_each_step_of_a_walk_is_there(path: str, name: str) -> None:
    file = ROOT / path
    assert file.is_file()
    assert name in names_in(file)


def test_each_file_of_a_walk_is_followed_by_what_to_look_for() -> None:
    named = re.findall(r"`((?:\w+/)+\w+\.py)`", WALKS)
    assert len(named) == len(STEP.findall(WALKS))
    assert len(named) > 80


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_each_path_that_a_page_names_is_there(page: str) -> None:
    text = (ROOT / page).read_text()
    rooms = "common|states|minion|master|packaging|tests|docs"
    for path in re.findall(rf"`((?:{rooms})/[\w./-]*)`", text):
        assert (ROOT / path).exists(), path
