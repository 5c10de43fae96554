"""Every case of `cases`: all steps in order on one sandbox, and the tree they leave behind.

The answers are Salt's own; what must be equal the README beside the cases says. `NOT_YET` names the
steps that are not equal, each with the reason; a step that has become equal must leave it.
"""

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Final

import pytest

from support.states.sls_cases import Case, cases, difference, prepare
from support.states.sls_running import run_step

NOT_YET: Final[dict[str, str]] = {
    "custom-modules:2": "on purpose: a malformed result keeps its own name, SLS and number",
    "custom-modules:3": "on purpose: a malformed result keeps its own name, SLS and number",
    "jinja-relative-import:1": "on purpose: `./x` is found beside the template that names it",
    "render-unknown:0": "on purpose: Salt swallows an unknown renderer, here it is an error",
    "yaml-alias-shared:0": "on purpose: an alias gives a copy, where Salt fails on a shared list",
}
"""By `case:number`, or `case:tree` for what a case leaves behind."""


def _differences(case: Case, place: Path) -> dict[str, str]:
    """Run a case; give what differs from Salt, by the label of the step."""
    sandbox = prepare(case, place)
    found: dict[str, str] = {}
    for step in sandbox.steps():
        answer, retcode = run_step(sandbox, step)
        told = difference(step, answer, retcode)
        if told is not None:
            found[step.label] = told
    if case.tree is not None and sandbox.tree() != case.tree:
        ours, theirs = sandbox.tree(), case.tree
        paths = sorted(path for path in {*ours, *theirs} if ours.get(path) != theirs.get(path))
        shown = "; ".join(
            f"{path}: {ours.get(path)}, expected {theirs.get(path)}" for path in paths
        )
        found[f"{case.name}:tree"] = shown
    return found


@pytest.fixture(autouse=True)
def surroundings(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Give each case the shell and the umask that it had with Salt, whatever this process has."""
    monkeypatch.setenv("SHELL", "/bin/bash")
    before = os.umask(0o022)
    yield
    os.umask(before)


@pytest.mark.parametrize("case", list(cases()), ids=lambda case: case.name)
def test_a_case_runs_as_with_salt(case: Case, tmp_path: Path) -> None:
    found = _differences(case, tmp_path)
    expected = {label for label in NOT_YET if label.partition(":")[0] == case.name}
    unexpected = {label: told for label, told in found.items() if label not in expected}
    assert unexpected == {}, "\n".join(f"{label}: {told}" for label, told in unexpected.items())
    assert expected - set(found) == set(), "equal by now: take them from NOT_YET"


def test_the_list_names_only_steps_that_there_are() -> None:
    known = {step.label for case in cases() for step in case.steps()}
    known |= {f"{case.name}:tree" for case in cases()}
    assert set(NOT_YET) - known == set()
