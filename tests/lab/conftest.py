"""Labs for tests: hosts with this tree's packages on them, enrolled.

Everything in this directory is marked `lab`; `make test` runs what is marked `short` too, `make
test-lab` all. Where a lab can't be had, tests are skipped with the reason.
"""

import fcntl
import os
from collections.abc import Generator, Iterator
from pathlib import Path
from typing import IO

import pytest

from limpet_lab import Lab, LabError, why_not
from limpet_lab.fleet import Fleet
from limpet_lab.golden import golden_images
from limpet_lab.packages import packages
from limpet_lab.root import base_root
from support.hosts.labs import LabOf

SLOTS = 10
"""Labs of tests that may be up at the same time."""
TIMEOUT_S = 600
"""For a test that doesn't say it; the first of a file also boots and installs."""


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    here = Path(__file__).parent
    ours = [item for item in items if here in item.path.parents]
    reason = why_not() if ours else None
    for item in ours:
        item.add_marker("lab")
        item.add_marker(pytest.mark.xdist_group("lab"))
        if item.get_closest_marker("timeout") is None:
            item.add_marker(pytest.mark.timeout(TIMEOUT_S))
        if reason:
            item.add_marker(pytest.mark.skip(reason=reason))


@pytest.fixture(scope="session")
def lab_directory() -> Iterator[Path]:
    """Give a directory that no other run of the tests uses; a killed run's is taken over."""
    if given := os.environ.get("LIMPET_LAB_DIR"):
        yield Path(given)
        return
    for slot in range(SLOTS):
        directory = Path(f"/var/tmp/limpet-lab-tests/{slot}")
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        with (directory / "lock").open("w") as lock:
            if _take(lock):
                yield directory
                return
    pytest.skip(f"{SLOTS} labs of tests are up already")


def _take(lock: IO[str]) -> bool:
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


@pytest.fixture(scope="module")
def lab_of(lab_directory: Path) -> Iterator[LabOf]:
    """Give the file's lab on demand; it is taken down after the file (LIMPET_LAB_KEEP=1: not)."""
    try:
        base_root()
    except LabError as error:  # no mirror can be reached
        pytest.skip(f"the hosts' root could not be built: {error}")
    lab = Lab(lab_directory)
    made: dict[tuple[int, bool], Fleet] = {}

    def give(minions: int, *, is_enrolled: bool = True) -> Fleet:
        if (minions, is_enrolled) not in made:
            made.clear()
            built = packages()
            lab.up(minions, golden_images(lab, built) if is_enrolled else None)
            fleet = Fleet(lab, built)
            if is_enrolled:
                fleet.set_up()
            made[minions, is_enrolled] = fleet
        return made[minions, is_enrolled]

    yield give
    if not os.environ.get("LIMPET_LAB_KEEP"):
        lab.down()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[None]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Add the units' journals to the report of a test that failed."""
    report = yield
    if report.failed and isinstance(item, pytest.Function) and "lab_directory" in item.fixturenames:
        directory = item.funcargs.get("lab_directory")
        if isinstance(directory, Path):
            for host in Lab(directory).hosts:
                report.sections.append((f"journal of {host.name}", host.logs("limpet-*", 60)))
    return report
